import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Limit } from '../../domain/limit.ts'
import { carve, impossibleIn } from '../../domain/pool.ts'
import { RESOURCE_DEFAULTS, type Pools, type Resource } from '../../domain/resource.ts'
import { openPools } from '../../limiter/pool.ts'

const MINUTE: Limit = { type: 'sliding-window', units: 100, windowMs: 60_000 }
const BUCKET: Limit = { type: 'token-bucket', capacity: 200, refillUnits: 60, refillMs: 60_000 }

function resource(limits: readonly Limit[], pools?: Pools, jitterMs = 0): Resource {
  const given = { ...RESOURCE_DEFAULTS, id: 'gpt', unit: 'tokens', limits, jitterMs }
  return pools === undefined ? given : { ...given, pools }
}

const POOLS: Pools = { reserved: 1_000, dedicated: { acme: 2_000 } }
const OTHER = { clientId: 'other', urgency: 'normal' } as const
const OWNER = { clientId: 'acme', urgency: 'normal' } as const
const URGENT = { clientId: 'other', urgency: 'urgent' } as const

describe('PL4 what is impossible', () => {
  const table: Readonly<
    Record<string, { asker: typeof OTHER | typeof OWNER | typeof URGENT; units: number; want: unknown }>
  > = {
    'what fits the shared pool is possible': { asker: OTHER, units: 70, want: null },
    'what only the whole limit admits is not': {
      asker: OTHER,
      units: 71,
      want: { limit: 0, needed: 71, size: 70 },
    },
    'a client’s own pool does not widen the shared one': {
      asker: OWNER,
      units: 71,
      want: { limit: 0, needed: 71, size: 70 },
    },
    'urgent work has no more of the shared pool': {
      asker: URGENT,
      units: 71,
      want: { limit: 0, needed: 71, size: 70 },
    },
  }
  test.for(Object.entries(table))('%s', ([, { asker, units, want }]) => {
    expect(impossibleIn(carve(resource([MINUTE, BUCKET], POOLS)), units, asker)).toEqual(want)
  })

  test('the reserved pool makes possible for urgent work what the shared one cannot admit', () => {
    const pools = carve(resource([MINUTE], { reserved: 8_000, dedicated: {} }))
    expect(impossibleIn(pools, 80, URGENT)).toBeNull()
    expect(impossibleIn(pools, 80, OTHER)).toEqual({ limit: 0, needed: 80, size: 20 })
    expect(impossibleIn(pools, 81, URGENT)).toEqual({ limit: 0, needed: 81, size: 80 })
  })
})

test('SZ1 the size of a pool, as admission judges it, is what its meter admits when nothing is used', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 10_000 }),
      fc.integer({ min: 0, max: 5_000 }),
      fc.nat({ max: 5_000 }),
      (units, reserved, jitterMs) => {
        const limits: readonly Limit[] = [
          { type: 'token-bucket', capacity: units, refillUnits: 7, refillMs: 900 },
          { type: 'sliding-window', units, windowMs: 4_000 },
          { type: 'fixed-window', units, period: 'minute', timezone: 'UTC' },
          { type: 'concurrency', slots: units, per: 'unit' },
        ]
        const pools = openPools(resource(limits, { reserved, dedicated: {} }, jitterMs), 0, () => [])
        for (const { sizes, meters } of pools) {
          expect(meters.map((meter) => meter.size)).toEqual(sizes)
          expect(meters.map((meter) => Math.max(0, meter.available(0)))).toEqual(sizes)
        }
      },
    ),
  )
})
