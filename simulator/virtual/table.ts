// What a simulation came to, as text.

import Table from 'cli-table3'
import { judge, type Judged, type Measured } from './measure.ts'
import { FIGURES, type FigureName } from './metrics/figure.ts'
import type { Scenario, Target } from './scenario.ts'

const PLAIN = { head: [], border: [] }

export function describe(scenario: Scenario, measured: Measured): string {
  const judged = new Map(judge(scenario, measured.figures).map((one) => [one.name, one]))
  const figures = new Table({
    head: ['figure', 'value', 'target', ''],
    style: PLAIN,
    colAligns: ['left', 'right'],
  })
  for (const name of FIGURES) {
    const of = judged.get(name)
    const value = measured.figures[name]
    if (value === undefined && of === undefined) continue
    const mark = of === undefined ? '' : of.outcome
    figures.push([name, tell(name, value ?? null), of === undefined ? '' : tellTarget(of.target), mark])
  }
  const waits = new Table({
    head: ['waits', 'granted', 'p50 s', 'p95 s', 'p99 s'],
    style: PLAIN,
    colAligns: ['left', 'right', 'right', 'right', 'right'],
  })
  for (const { tier, granted, p50Ms, p95Ms, p99Ms } of measured.waits) {
    waits.push([tier, granted, seconds(p50Ms), seconds(p95Ms), seconds(p99Ms)])
  }
  const { asked, granted, waiting } = measured.counts
  return [
    figures.toString(),
    waits.toString(),
    `${asked} requests, ${granted} granted, ${waiting} waiting at the end`,
  ].join('\n')
}

/** One line for each target. */
export function describeTargets(name: string, scenario: Scenario, measured: Measured): readonly string[] {
  return judge(scenario, measured.figures).map((one) => `${name.padEnd(16)} ${describeJudged(one)}`)
}

function describeJudged({ name, value, target, outcome }: Judged): string {
  return `${name.padEnd(14)} ${tell(name, value).padStart(10)}  ${tellTarget(target).padEnd(10)} ${outcome}`
}

export function tellTarget(target: Target): string {
  return 'atMost' in target ? `<= ${target.atMost}` : `>= ${target.atLeast}`
}

export function tell(name: FigureName, value: number | null): string {
  if (value === null) return '-'
  switch (name) {
    case 'violations':
    case 'disputed':
    case 'unserved':
      return String(value)
    case 'longest-wait':
      return value.toFixed(1)
    default:
      return value.toFixed(4)
  }
}

function seconds(ms: number): string {
  return (ms / 1_000).toFixed(2)
}
