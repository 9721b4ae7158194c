import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Limit } from '../../domain/limit.ts'
import { carve, impossibleIn, loansFor, loansOf, poolsFor } from '../../domain/pool.ts'
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

test('PL1, SZ2: the parts of a limit and what is left of it add up to it, whatever the parts', () => {
  const limits: readonly Limit[] = [MINUTE, BUCKET, { type: 'concurrency', slots: 7, per: 'reservation' }]
  fc.assert(
    fc.property(fc.nat(4_000), fc.nat(3_000), fc.nat(3_000), (reserved, acme, other) => {
      const pools = carve(resource(limits, { reserved, dedicated: { acme, other } }))
      const sumOf = (nth: number) => pools.reduce((sum, { limits: of }) => sum + amountOf(of[nth]), 0)
      expect([sumOf(0), sumOf(1), sumOf(2)]).toEqual([100, 200, 7])
      const rate = pools.reduce((sum, { limits: of }) => sum + rateOf(of[1]), 0n)
      expect(rate).toBe(60n * 10_000n)
    }),
  )

  function amountOf(limit: Limit | undefined): number {
    if (limit?.type === 'token-bucket') return limit.capacity
    return limit?.type === 'concurrency' ? limit.slots : limit?.type === 'sliding-window' ? limit.units : 0
  }

  /** Units a minute, in ten-thousandths. */
  function rateOf(limit: Limit | undefined): bigint {
    if (limit?.type !== 'token-bucket') return 0n
    return (BigInt(limit.refillUnits) * 60_000n * 10_000n) / BigInt(limit.refillMs)
  }
})

test('PL2: a client uses its own pool first, then the shared one; only urgent work the reserved one', () => {
  const pools = carve(resource([MINUTE], POOLS))
  const names = (asker: typeof OTHER | typeof OWNER | typeof URGENT) =>
    poolsFor(pools, asker).map(({ name }) => name)
  expect(names(OTHER)).toEqual(['shared'])
  expect(names(OWNER)).toEqual(['dedicated:acme', 'shared'])
  expect(names(URGENT)).toEqual(['shared', 'reserved'])
})

test('PL5: a pool lends a part of itself, to those who may not use it anyway', () => {
  const lending = { reserved: 0, dedicated: 5_000 }
  const loans = loansOf(resource([MINUTE], { ...POOLS, lending }))
  expect(loans.map(({ lender, limits }) => [lender, limits])).toEqual([
    ['dedicated:acme', [{ ...MINUTE, units: 10 }]],
  ])
  expect(loansFor(loans, OTHER)).toEqual(loans)
  expect(loansFor(loans, OWNER)).toEqual([])
  const ofReserved = loansOf(resource([MINUTE], { ...POOLS, lending: { reserved: 10_000, dedicated: 0 } }))
  expect([loansFor(ofReserved, OTHER), loansFor(ofReserved, URGENT)]).toEqual([ofReserved, []])
})
