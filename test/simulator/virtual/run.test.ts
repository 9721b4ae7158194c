import { describe, expect, test } from 'vitest'
import { judge } from '../../../simulator/virtual/measure.ts'
import { scenarioNames, loadScenario } from '../../../simulator/virtual/scenario.ts'
import { factsOf, measured, scenarioWith } from './stand.ts'

const MINUTES_TRIED = 4

const ONE_SLOT = {
  resources: { gpu: { unit: 'calls', limits: [{ type: 'concurrency', slots: 1 }] } },
  populations: [
    {
      name: 'crowd',
      tiers: { basic: 1 },
      arrivals: { kind: 'every', everyMs: 60_000 },
      demand: { gpu: 1 },
      holdMs: 1_000,
      leaseMs: 600_000,
    },
  ],
}

describe('holders', () => {
  test('one that settles frees its slot at once', () => {
    const { counts } = measured(scenarioWith(ONE_SLOT))
    expect(counts).toEqual({ asked: 59, granted: 59, waiting: 0 })
  })

  test('V3: one that dies holds its slot until the lease ends, and breaks no limit', () => {
    const populations = ONE_SLOT.populations.map((one) => ({ ...one, dies: 1 }))
    const { counts, figures } = measured(scenarioWith({ ...ONE_SLOT, populations }))
    expect(counts).toEqual({ asked: 59, granted: 6, waiting: 53 })
    expect(figures.violations).toBe(0)
  })
})

test('V2: a grant reaches its provider after any delay from 0 to J', () => {
  const gpu = { ...ONE_SLOT.resources.gpu, jitterMs: 500 }
  const populations = ONE_SLOT.populations.map((one) => ({
    ...one,
    arrivals: { kind: 'backlog', keep: 1 },
  }))
  const facts = factsOf(scenarioWith({ resources: { gpu }, populations, returnMs: 0 }))
  const delays = facts.flatMap((fact) =>
    fact.kind === 'ended' ? [fact.atMs - fact.grantedAtMs - 1_000] : [],
  )
  expect(delays.length).toBeGreaterThan(1_000)
  expect([Math.min(...delays), Math.max(...delays)]).toEqual([1, 500])
})

describe('sources', () => {
  const [one] = ONE_SLOT.populations
  const poisson = {
    ...one,
    arrivals: { kind: 'every', everyMs: 7_000 },
    demand: { gpu: { uniform: [1, 9] } },
  }

  test('A1: another population does not change what one sends', () => {
    const sentBy = (populations: readonly object[]) =>
      factsOf(scenarioWith({ ...ONE_SLOT, populations })).flatMap((fact) =>
        fact.kind === 'asked' && fact.request.population === 'crowd'
          ? [[fact.atMs, fact.request.demand]]
          : [],
      )
    expect(sentBy([poisson])).toEqual(sentBy([{ ...poisson, name: 'other' }, poisson]))
  })

  test('A2: clients that keep some waiting always have as many', () => {
    const populations = [{ ...one, clients: 3, arrivals: { kind: 'backlog', keep: 4 } }]
    const { counts } = measured(scenarioWith({ ...ONE_SLOT, populations }))
    expect(counts).toMatchObject({ waiting: 12, asked: counts.granted + 12 })
    expect(counts.granted).toBeGreaterThan(3_000)
  })
})

describe('every scenario of the project', () => {
  test.each(scenarioNames())('%s breaks no limit in its first minutes, and the referee agrees', (name) => {
    const scenario = loadScenario(name)
    const { figures, counts } = measured(scenario, { hours: MINUTES_TRIED / 60 })
    expect(counts.granted).toBeGreaterThan(0)
    const limits = judge(scenario, figures).filter((one) => ['violations', 'disputed'].includes(one.name))
    expect(limits.map(({ name, outcome }) => [name, outcome])).toEqual([
      ['violations', 'met'],
      ['disputed', 'met'],
    ])
  })
})
