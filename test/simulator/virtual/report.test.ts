import { describe, expect, test } from 'vitest'
import { measure } from '../../../simulator/virtual/measure.ts'
import { pageOf, type Section } from '../../../simulator/virtual/report/page.ts'
import { openSeries } from '../../../simulator/virtual/report/series.ts'
import { loadScenario, type Scenario } from '../../../simulator/virtual/scenario.ts'

const SAMPLES = 12

function sectionOf(scenario: Scenario, hours: number): Section {
  const series = openSeries(scenario)
  const measured = measure(
    {
      ...{ scenario, seed: 1, hours, suspect: 'ours' as const },
      samples: { count: SAMPLES, look: (state, atMs) => series.look(state, atMs) },
      onStep: () => undefined,
    },
    (fact) => series.note(fact),
  )
  return { name: 'test', scenario, measured, series: series.series(), seed: 1, hours, limiter: 'ours' }
}

const section = sectionOf(loadScenario('saturated'), 0.1)

describe('series', () => {
  test('every line has a value for every sample, from the beginning to the end', () => {
    const { hours, left, depth, waits, shares } = section.series
    expect(hours).toHaveLength(SAMPLES + 1)
    expect([hours[0], hours.at(-1)]).toEqual([0, 0.1])
    expect(left.map(({ name }) => name)).toEqual(['llm/tokens, token-bucket', 'llm/tokens, sliding-window'])
    for (const line of [...left, ...depth, ...waits, ...shares]) expect(line.values).toHaveLength(SAMPLES + 1)
  })

  test('those that wait at the end are those that the simulation left waiting', () => {
    const last = section.series.depth.map(({ values }) => values.at(-1) ?? 0)
    expect(last.reduce((sum, waiting) => sum + waiting, 0)).toBe(section.measured.counts.waiting)
  })

  test('parts of what was granted are the whole together', () => {
    const at = (nth: number): number =>
      section.series.shares.reduce((sum, { values }) => sum + (values[nth] ?? 0), 0)
    for (let nth = 1; nth <= SAMPLES; nth += 1) expect(at(nth)).toBeCloseTo(100, 1)
  })
})

describe('page', () => {
  const page = pageOf([section])

  test('it asks for nothing but itself', () => {
    expect(page).not.toMatch(/(?:src|href)="(?!#)|url\(|@import|fetch\(|XMLHttpRequest/)
  })

  test('H1: what a scenario says is text, wherever it is told', () => {
    const hostile = '</script><script>alert(1)</script>'
    const scenario = { ...section.scenario, title: hostile, shows: hostile }
    const series = { ...section.series, left: [{ name: hostile, values: [] }] }
    expect(pageOf([{ ...section, scenario, series }])).not.toContain('<script>alert(1)')
  })

  test('several scenarios begin with what each of them missed', () => {
    const targets = { unserved: { atLeast: 1 } }
    const missed = { ...section, name: 'second', scenario: { ...section.scenario, targets } }
    const overview = pageOf([section, missed])
    expect(overview).toContain('<a href="#second">second</a>')
    expect(overview).toContain('unserved <b>0</b>, &gt;= 1')
  })
})
