import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Limit } from '../../domain/limit.ts'
import { bucket, boundless, resource, TIERS, window } from './fixture.ts'
import { MINUTE, simulate, type Served, type Stream } from './streams.ts'
import { runs } from '../support/runs.ts'

const T_S = 10 * MINUTE
const PER_MINUTE = 1_000

/** Every model that has a rate, all of 1,000 units a minute; a window that was used up lets nothing through for its length. */
const MODELS: Readonly<Record<string, { readonly limits: readonly Limit[]; readonly pauseMs: number }>> = {
  'a bucket of a minute': { limits: [bucket(PER_MINUTE, PER_MINUTE, MINUTE)], pauseMs: 0 },
  'a bucket of twelve seconds': { limits: [bucket(PER_MINUTE / 5, PER_MINUTE, MINUTE)], pauseMs: 0 },
  'a window': { limits: [window(PER_MINUTE, MINUTE)], pauseMs: MINUTE },
  'a bucket of twelve seconds and a window': {
    limits: [bucket(PER_MINUTE / 5, PER_MINUTE, MINUTE), window(PER_MINUTE, MINUTE)],
    pauseMs: MINUTE,
  },
}

const UNITS_MAX = 160

const stream = fc.record({
  tier: fc.constantFrom(...(Object.keys(TIERS) as (keyof typeof TIERS)[])),
  urgency: fc.constantFrom('urgent', 'high', 'normal', 'low'),
  units: fc.integer({ min: 20, max: UNITS_MAX }),
  /** Of what the resource lets through. */
  load: fc.constantFrom(0.05, 0.2, 0.5, 1, 3),
})

const flood = fc.array(stream, { minLength: 2, maxLength: 6 }).map((streams) =>
  streams.map(({ load, ...one }, at): Stream => ({
    ...one,
    client: `c${at}`,
    everyMs: Math.ceil((one.units * MINUTE) / (load * PER_MINUTE)),
  })),
)

/** Wait over the bound, at most: 10 min + (Q + a + a_max) / (g * r), where Q is what the starving were granted meanwhile. */
function worst(served: readonly Served[], g: number, pauseMs: number): number {
  const unitsMax = Math.max(...served.map(({ units }) => units))
  const starving = served.filter(({ waitMs }) => waitMs >= T_S)
  const ratios = served.map(({ waitMs, atMs, units }) => {
    const markMs = atMs - waitMs + T_S
    const q = starving.reduce(
      (sum, one) => (one.atMs > markMs && one.atMs <= atMs ? sum + one.units : sum),
      0,
    )
    return waitMs / (T_S + pauseMs + (q + units + unitsMax) / ((g * PER_MINUTE) / MINUTE))
  })
  return Math.max(...ratios)
}

test.each(Object.entries(MODELS))(
  'GS5 property 8: the longest wait over its bound is 1 at most, in any flood: %s',
  (_name, { limits, pauseMs }) => {
    fc.assert(
      fc.property(flood, fc.constantFrom(0.1, 0.25, 0.6), (streams, g) => {
        const more = { guaranteedShare: g * 10_000, maxQueue: 100_000, maxWaitMs: 1e9 }
        const state = boundless(resource('gpt', limits, more))
        const served = [...simulate(state, streams, 40 * MINUTE).values()].flat()
        expect(worst(served, g, pauseMs)).toBeLessThanOrEqual(1)
      }),
      // A life of 40 minutes is not worth shrinking.
      { ...runs(15), endOnFailure: true },
    )
  },
)
