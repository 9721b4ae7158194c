import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { loadScenario } from '../../../simulator/virtual/scenario.ts'
import { openCrowd } from '../../../simulator/virtual/traffic/crowd.ts'
import { loadTrace, rowsOf } from '../../../simulator/virtual/traffic/trace.ts'
import { randomFrom } from '../../../simulator/virtual/random.ts'
import { scenarioWith } from './stand.ts'

const folder = mkdtempSync(join(tmpdir(), 'scenario-'))
afterAll(() => rmSync(folder, { recursive: true }))

const GOOD = `title: t
shows: s
hours: 1
resources:
  a: { unit: units, limits: [{ type: sliding-window, units: 10, windowMs: 1000 }] }
populations:
  - { name: p, tiers: { basic: 1 }, arrivals: { kind: poisson, load: 1 }, demand: { a: 1 } }
targets: {}
`

describe('Y1: whoever writes a scenario is told where it is wrong', () => {
  const faultsOf = (text: string): string => {
    const file = join(folder, 'scenario.yaml')
    writeFileSync(file, text)
    try {
      loadScenario(file)
      return 'none'
    } catch (error) {
      return error instanceof Error ? error.message : ''
    }
  }

  test.each<[string, string, RegExp]>([
    ['a good one', GOOD, /^none$/],
    ['an unknown field', GOOD.replace('hours', 'houres'), /scenario\.yaml:3:1 houres: unknown field/],
    [
      'a resource that is not there',
      GOOD.replace('demand: { a', 'demand: { b'),
      /scenario\.yaml:7:\d+ populations\.0\.demand\.b: no resource of this scenario/,
    ],
    [
      'a tier that is not there',
      GOOD.replace('basic', 'gold'),
      /scenario\.yaml:7:\d+ populations\.0\.tiers\.gold: no tier of this scenario/,
    ],
    ['tokens of a trace without a trace', GOOD.replace('a: 1 }', 'a: tokens }'), /only a trace has tokens/],
    ['no YAML', GOOD.replace('populations:', 'populations: ['), /scenario\.yaml:\d+:\d+ /],
  ])('%s', (_name, text, want) => {
    expect(faultsOf(text)).toMatch(want)
  })
})

describe('who sends', () => {
  const { populations } = scenarioWith({
    resources: { a: { unit: 'units', limits: [] } },
    populations: [
      {
        name: 'tenant',
        clients: 160,
        tiers: { enterprise: 1, basic: 3 },
        top: [
          [1, 0.16],
          [10, 0.63],
        ],
        arrivals: { kind: 'poisson', load: 1 },
        demand: { a: 1 },
      },
    ],
  })
  const [population] = populations
  if (population === undefined) throw new Error('no population')
  const crowd = openCrowd(population, randomFrom(1, 'clients'))

  test('tiers are parts of the clients', () => {
    expect(crowd.clients.filter(({ tier }) => tier === 'enterprise')).toHaveLength(40)
    expect(crowd.clients).toHaveLength(160)
  })

  test('the largest client sends 16 % and the ten largest 63 % of the requests', () => {
    const random = randomFrom(1, 'requests')
    const sent = new Map<string, number>()
    for (let nth = 0; nth < 20_000; nth += 1) {
      const { id } = crowd.pick(random)
      sent.set(id, (sent.get(id) ?? 0) + 1)
    }
    const parts = crowd.clients.map(({ id }) => (sent.get(id) ?? 0) / 20_000)
    expect(parts[0]).toBeCloseTo(0.16, 1.5)
    expect(parts.slice(0, 10).reduce((sum, part) => sum + part, 0)).toBeCloseTo(0.63, 1.5)
  })
})

describe('traces', () => {
  test.each([
    ['azure-llm-conv.csv.gz', 19_366],
    ['azure-llm-code.csv.gz', 8_819],
  ])('%s is whole', (file, rows) => {
    expect(loadTrace(file).reduce((sum, minute) => sum + minute.length, 0)).toBe(rows)
  })

  test('the first hour is as it was, and the next is made of its minutes', () => {
    const trace = loadTrace('azure-llm-code.csv.gz')
    const recorded = trace.slice(0, -1).flat()
    const rows = rowsOf(trace, 1, randomFrom(1, 'rows'))
    const first = recorded.map(() => rows.next().value)
    expect(first.map((row) => row.contextTokens)).toEqual(recorded.map((row) => row.contextTokens))
    const next = rows.next().value
    expect(next.atMs).toBeGreaterThanOrEqual((trace.length - 1) * 60_000)
    expect(recorded.map(({ contextTokens }) => contextTokens)).toContain(next.contextTokens)
  })
})
