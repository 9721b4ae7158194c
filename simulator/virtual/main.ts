// npm run simulate -- SCENARIO: days of the limiter's life in virtual time, measured and judged. Exit code 1 where a
// target was missed, 2 where it could not be tried.

import { writeFileSync } from 'node:fs'
import { Command, InvalidArgumentError, Option } from 'commander'
import { judge, measure } from './measure.ts'
import { pageOf, type Section } from './report/page.ts'
import { openSeries, SAMPLES } from './report/series.ts'
import { loadScenario, scenarioNames } from './scenario.ts'
import { FIGURE_MEANING } from './metrics/figure.ts'
import { SUSPECTS, type Suspect } from './suspect.ts'
import { describe, describeTargets } from './table.ts'

const ALL = 'all'
const PROGRESS_MS = 2_000

type Options = {
  readonly list?: true
  readonly seed: number
  readonly hours?: number
  readonly days?: number
  readonly limiter: Suspect
  readonly report?: string
}

const command = new Command('simulate')
  .description('Simulates the limiter on virtual time, and judges it by a referee of its own.')
  .argument('[scenario]', `a name (see --list), a YAML file, or ${ALL}`)
  .option('--list', 'tell the scenarios')
  .option('--seed <n>', 'of all chance', whole, 1)
  .option('--hours <n>', 'how long, instead of what the scenario says', positive)
  .option('--days <n>', 'the same in days', positive)
  .addOption(
    new Option('--limiter <which>', 'ours, or one that is wrong on purpose')
      .choices(SUSPECTS)
      .default('ours'),
  )
  .option('--report <file>', 'write an HTML page with plots')
  .addHelpText('after', `\nFigures:\n${figures()}`)
  .action((name: string | undefined, options: Options) => {
    try {
      process.exitCode = run(name, options)
    } catch (error) {
      console.error(error instanceof Error ? error.message : String(error))
      process.exitCode = 2
    }
  })
command.parse()

function run(name: string | undefined, options: Options): number {
  if (options.list === true || name === undefined) {
    for (const known of scenarioNames()) console.log(`${known.padEnd(16)} ${loadScenario(known).title}`)
    return options.list === true ? 0 : 2
  }
  const names = name === ALL ? scenarioNames() : [name]
  const sections: Section[] = []
  let missed = 0
  for (const each of names) {
    const section = simulateOne(each, options)
    const { scenario, measured } = section
    missed += judge(scenario, measured.figures).filter(({ outcome }) => outcome !== 'met').length
    if (name === ALL) console.log(describeTargets(each, scenario, measured).join('\n'))
    else console.log(describe(scenario, measured))
    if (options.report !== undefined) sections.push(section)
  }
  if (options.report !== undefined) writeFileSync(options.report, pageOf(sections))
  console.log(missed === 0 ? 'all targets met' : `${missed} targets missed`)
  return missed === 0 ? 0 : 1
}

function simulateOne(name: string, { seed, hours, days, limiter }: Options): Section {
  const scenario = loadScenario(name)
  const long = hours ?? (days === undefined ? scenario.hours : days * 24)
  const series = openSeries(scenario)
  const startedMs = performance.now()
  let toldMs = startedMs
  const measured = measure(
    {
      scenario,
      seed,
      hours: long,
      suspect: limiter,
      samples: { count: SAMPLES, look: (state, atMs) => series.look(state, atMs) },
      onStep(passed) {
        const nowMs = performance.now()
        if (nowMs - toldMs < PROGRESS_MS) return
        toldMs = nowMs
        process.stderr.write(`${name}: ${(100 * passed).toFixed(0)} % of ${long} h\n`)
      },
    },
    (fact) => series.note(fact),
  )
  const seconds = (performance.now() - startedMs) / 1_000
  const perSecond = Math.round(measured.counts.granted / seconds)
  process.stderr.write(`${name}: ${long} h in ${seconds.toFixed(1)} s, ${perSecond} grants a second\n`)
  return { name, scenario, measured, series: series.series(), seed, hours: long, limiter }
}

function figures(): string {
  const lines = Object.entries(FIGURE_MEANING).map(([name, meaning]) => `  ${name.padEnd(14)} ${meaning}`)
  return lines.join('\n')
}

function positive(text: string): number {
  const value = Number(text)
  if (!(value > 0) || !Number.isFinite(value)) throw new InvalidArgumentError('expected a number above 0')
  return value
}

function whole(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError('expected a whole number')
  return value
}
