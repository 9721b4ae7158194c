// A report as one file that needs nothing else: figures, waits, what the referee saw, and plots.
//
// H1  Everything that a scenario names is escaped; what plots read is data and never text of the page.

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { judge, type Judged, type Measured } from '../measure.ts'
import { FIGURE_MEANING, FIGURES } from '../metrics/figure.ts'
import type { Scenario } from '../scenario.ts'
import { tell, tellTarget } from '../table.ts'
import type { Series } from './series.ts'

export type Section = {
  readonly name: string
  readonly scenario: Scenario
  readonly measured: Measured
  readonly series: Series
  readonly seed: number
  readonly hours: number
  readonly limiter: string
}

export function pageOf(sections: readonly Section[]): string {
  const title = sections.length === 1 ? (sections[0]?.scenario.title ?? '') : 'Simulations of the limiter'
  const data = sections.map(({ series }) => series)
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title>
<style>${asset(import.meta.resolve('uplot/dist/uPlot.min.css'))}
${asset(import.meta.resolve('./report.css'))}</style>
<main>
${sections.length === 1 ? '' : overview(sections)}
${sections.map(sectionOf).join('\n')}
</main>
<script type="application/json" id="series">${JSON.stringify(data).replaceAll('<', '\\u003c')}</script>
<script>${asset(import.meta.resolve('uplot/dist/uPlot.iife.min.js'))}</script>
<script>${asset(import.meta.resolve('./plots.js'))}</script>
</html>
`
}

function asset(url: string): string {
  return readFileSync(fileURLToPath(url), 'utf8').replaceAll('</script', '<\\/script')
}

function overview(sections: readonly Section[]): string {
  const rows = sections.map(({ name, scenario, measured }) => {
    const judged = judge(scenario, measured.figures)
    const missed = judged.filter(({ outcome }) => outcome !== 'met')
    const told = missed.map(
      (one) => `${one.name} <b>${tell(one.name, one.value)}</b>, ${escaped(tellTarget(one.target))}`,
    )
    return row([
      `<a href="#${escaped(name)}">${escaped(name)}</a>`,
      escaped(scenario.title),
      `${judged.length - missed.length} of ${judged.length}`,
      told.join('; '),
    ])
  })
  return `<header><h1>Simulations of the limiter</h1></header>
${table(['scenario', 'what it is', 'targets met', 'missed'], rows)}`
}

function sectionOf(section: Section): string {
  const { name, scenario, measured, seed, hours, limiter } = section
  const judged = judge(scenario, measured.figures)
  const missed = judged.filter(({ outcome }) => outcome !== 'met').length
  const badge = missed === 0 ? 'all targets met' : `${missed} of ${judged.length} targets missed`
  const { asked, granted, waiting } = measured.counts
  return `<section id="${escaped(name)}">
<header>
<h1>${escaped(scenario.title)} <span class="badge ${missed === 0 ? 'met' : 'missed'}">${badge}</span></h1>
<p class="shows">${escaped(scenario.shows)}</p>
<p class="facts">scenario ${escaped(name)}, seed ${seed}, ${hours} virtual hours, limiter ${escaped(limiter)}: ${asked} requests,
${granted} granted, ${waiting} waiting at the end</p>
</header>
<div class="plots"></div>
<div class="tables">
${figuresTable(measured, judged)}
<div>
${waitsTable(measured)}
${refereeTable(measured)}
</div>
</div>
</section>`
}

function figuresTable({ figures }: Measured, judged: readonly Judged[]): string {
  const targets = new Map(judged.map((one) => [one.name, one]))
  const rows = FIGURES.flatMap((name) => {
    const target = targets.get(name)
    const value = figures[name] ?? null
    if (value === null && target === undefined) return []
    const outcome = target?.outcome ?? ''
    return row([
      `<b>${name}</b><small>${escaped(FIGURE_MEANING[name])}</small>`,
      tell(name, value),
      target === undefined ? '' : escaped(tellTarget(target.target)),
      outcome === '' ? '' : `<span class="badge ${outcome === 'met' ? 'met' : 'missed'}">${outcome}</span>`,
    ])
  })
  return `<figure><figcaption>Figures and targets</figcaption>${table(['figure', 'value', 'target', ''], rows)}</figure>`
}

function waitsTable({ waits }: Measured): string {
  const seconds = (ms: number): string => (ms / 1_000).toFixed(2)
  const rows = waits.map(({ tier, granted, p50Ms, p95Ms, p99Ms }) =>
    row([escaped(tier), String(granted), seconds(p50Ms), seconds(p95Ms), seconds(p99Ms)]),
  )
  const head = ['tier', 'granted', 'p50 s', 'p95 s', 'p99 s']
  return `<figure><figcaption>Waits from request to grant</figcaption>${table(head, rows)}</figure>`
}

function refereeTable({ limits }: Measured): string {
  const rows = limits.map(({ limit, admitted, rejected, peak, size, use }) =>
    row([
      escaped(limit),
      String(admitted),
      String(rejected),
      `${peak} of ${size}`,
      use === null ? '-' : `${(100 * use).toFixed(1)} %`,
    ]),
  )
  const head = ['limit', 'admitted', 'rejected', 'peak', 'use']
  return `<figure><figcaption>What the referee saw at the providers, from the arrivals alone</figcaption>${table(head, rows)}</figure>`
}

function table(head: readonly string[], rows: readonly string[]): string {
  const cells = head.map((cell) => `<th>${cell}</th>`).join('')
  return `<table><thead><tr>${cells}</tr></thead><tbody>${rows.join('')}</tbody></table>`
}

function row(cells: readonly string[]): string {
  return `<tr>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }

function escaped(text: string): string {
  return text.replaceAll(/[&<>"]/g, (character) => ENTITIES[character] ?? character)
}
