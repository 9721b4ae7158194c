import { describe, expect, test } from 'vitest'
import { judge } from '../../../simulator/virtual/measure.ts'
import { scenarioNames, loadScenario } from '../../../simulator/virtual/scenario.ts'
import { measured, scenarioWith } from './stand.ts'

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
