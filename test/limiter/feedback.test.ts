import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Limit } from '../../domain/limit.ts'
import type { Resource } from '../../domain/resource.ts'
import type { Observe } from '../../limiter/event.ts'
import { encode, restore, type LimiterState } from '../../limiter/state.ts'
import { availability } from '../../limiter/view.ts'
import {
  bucket,
  configuration,
  limiter,
  reserve,
  resource,
  run,
  settle,
  T0,
  told,
  tryReserve,
  window,
} from './fixture.ts'

function observe(atMs: number, more: Partial<Observe> = {}): Observe {
  return {
    kind: 'observe',
    atMs: T0 + atMs,
    resourceId: 'gpt',
    per: 'unit',
    grantedAtMs: T0,
    limit: null,
    remaining: null,
    resetAtMs: null,
    ...more,
  }
}

function left(state: LimiterState, atMs: number): number | undefined {
  return availability(state, T0 + atMs, 'gpt')[0]?.available
}

const MINUTE = window(100, 60_000)
const BUCKET = bucket(100, 100, 60_000)
const DAY: Limit = { type: 'fixed-window', units: 100, period: 'day', timezone: 'UTC' }

describe('what others used', () => {
  test.each<[string, Limit]>([
    ['a sliding window', MINUTE],
    ['a calendar day', DAY],
    ['a sliding counter', { type: 'sliding-counter', units: 100, windowMs: 60_000, phaseMs: 0 }],
  ])('OB1 of %s is not granted, and what we used ourselves is not counted twice', (_, limit) => {
    const state = limiter(resource('gpt', [limit]))
    run(state, reserve('r1', 0, 30), reserve('r2', 10, 20))
    run(state, observe(500, { remaining: 40 }))
    expect(left(state, 500)).toBe(40)
  })

  test('OB1 a header that tells of more than we think raises nothing', () => {
    const state = limiter(resource('gpt', [MINUTE, BUCKET]))
    run(state, reserve('r1', 0, 30))
    run(state, observe(0, { limit: 100, remaining: 90 }))
    expect(left(state, 0)).toBe(70)
  })

  test('OB1 vector 48: 10,000 left of 10,000 in 1,000 s, ten seconds before the reset, are not 1,000 a second', () => {
    const state = limiter(resource('gpt', [window(10_000, 1_000_000)], { refund: 'none' }))
    run(state, reserve('r1', 0, 6_000))
    run(state, observe(1_000, { limit: 10_000, remaining: 10_000, resetAtMs: T0 + 11_000 }))
    for (const atMs of [1_000, 2_000, 11_000, 12_000]) expect(left(state, atMs)).toBe(4_000)
    expect(told(run(state, tryReserve('r2', 12_000, 4_001)))).toEqual(['rejected r2'])
  })

  test('OB2 the same told twice lowers once, and a header older than later grants lowers by what they do not explain', () => {
    const state = limiter(resource('gpt', [MINUTE]))
    run(state, reserve('r1', 0, 30))
    run(state, observe(100, { remaining: 50 }), observe(200, { remaining: 50 }))
    expect(left(state, 200)).toBe(50)
    run(state, reserve('r2', 300, 10), observe(400, { remaining: 50 }))
    expect(left(state, 400)).toBe(40)
  })

  test('OB2 what rolled off or was refilled since the grant is not taken for use by others', () => {
    const sliding = limiter(resource('gpt', [MINUTE]))
    run(sliding, reserve('r1', 0, 40), reserve('r2', 50_000, 10))
    run(sliding, observe(61_000, { grantedAtMs: T0 + 50_000, remaining: 50 }))
    expect(left(sliding, 61_000)).toBe(90)
    const filled = limiter(resource('gpt', [BUCKET]))
    run(filled, reserve('r1', 0, 60), observe(30_000, { remaining: 40 }))
    expect(left(filled, 30_000)).toBe(90)
  })

  test('OB2 an answer that took longer than a window remembers lowers nothing', () => {
    const state = limiter(resource('gpt', [MINUTE]))
    run(state, reserve('r1', 0, 10), observe(30_001, { remaining: 0 }))
    expect(left(state, 30_001)).toBe(90)
  })

  test('OB3 it counts until the reset that was told, and a reset in the past tells nothing', () => {
    const state = limiter(resource('gpt', [MINUTE]))
    run(state, observe(0, { remaining: 10, resetAtMs: T0 + 5_000 }))
    expect([left(state, 4_999), left(state, 5_000)]).toEqual([10, 100])
    run(state, observe(6_000, { grantedAtMs: T0 + 6_000, remaining: 10, resetAtMs: T0 + 5_999 }))
    expect(left(state, 6_000)).toBe(100)
  })

  test('OB1 over pools, the shared one gives first, and together no more is left than was told', () => {
    const state = limiter(
      resource('gpt', [MINUTE], { pools: { reserved: 1_000, dedicated: { acme: 2_000 } } }),
    )
    run(state, observe(0, { remaining: 25 }))
    const pools = Object.values(availability(state, T0, 'gpt')[0]?.pools ?? {})
    expect(pools.reduce((sum, { available }) => sum + available, 0)).toBe(25)
  })

  test('OB1 whatever is told, nothing is ever left that was not left before', () => {
    const amounts = fc.record({
      remaining: fc.nat({ max: 150 }),
      agoMs: fc.nat({ max: 40_000 }),
      resetMs: fc.option(fc.integer({ min: -5, max: 90_000 })),
    })
    const limits = fc.constantFrom<Limit>(MINUTE, DAY, BUCKET, {
      type: 'sliding-counter',
      units: 100,
      windowMs: 60_000,
    })
    fc.assert(
      fc.property(limits, fc.array(fc.nat({ max: 40 }), { maxLength: 6 }), amounts, (limit, used, header) => {
        const state = limiter(resource('gpt', [limit]))
        for (const [at, units] of used.entries()) run(state, tryReserve(`r${at}`, 8_000 * at, units + 1))
        const nowMs = 50_000
        const before = left(state, nowMs) ?? 0
        run(
          state,
          observe(nowMs, {
            grantedAtMs: T0 + nowMs - header.agoMs,
            remaining: header.remaining,
            resetAtMs: header.resetMs === null ? null : T0 + nowMs + header.resetMs,
          }),
        )
        const after = left(state, nowMs) ?? 0
        expect(after).toBeLessThanOrEqual(before)
        expect(after).toBeGreaterThanOrEqual(Math.min(before, header.remaining) - (limit === BUCKET ? 1 : 0))
      }),
    )
  })
})

describe('a limit that is told otherwise', () => {
  const two = resource('gpt', [MINUTE, { ...DAY, units: 5_000 }])

  test('OB4 is remembered and told once, of the limit whose size is nearest, also through JSON', () => {
    let state = limiter(two)
    const mismatch = { kind: 'limit-observed', resourceId: 'gpt', limit: 0, configured: 100, observed: 60 }
    expect(run(state, observe(0, { limit: 60 }), observe(1, { limit: 60 }))).toMatchObject([mismatch])
    state = restore(JSON.parse(JSON.stringify(encode(state))))
    expect(run(state, observe(2, { limit: 60 }))).toEqual([])
    expect(availability(state, T0)[0]?.limits.map(({ observed }) => observed)).toEqual([60, null])
  })

  test('OB4 is forgotten when the configured size is told again, or with another configuration', () => {
    const state = limiter(two)
    run(state, observe(0, { limit: 60 }))
    expect(run(state, observe(1, { limit: 100 }))).toMatchObject([{ kind: 'limit-observed', observed: 100 }])
    run(state, observe(2, { limit: 6_000 }), configuration([two], { version: 2 }))
    expect(availability(state, T0)[0]?.limits.map(({ observed }) => observed)).toEqual([null, null])
  })

  test('OB4 a limit on calls is not one on units', () => {
    const state = limiter(resource('gpt', [MINUTE, { ...DAY, per: 'reservation', units: 90 }]))
    run(state, reserve('r1', 0, 30), observe(1, { per: 'reservation', limit: 90, remaining: 3 }))
    expect(availability(state, T0 + 1)[0]?.limits.map(({ remaining }) => remaining)).toEqual([70, 3])
  })
})

describe('OB5 a refused call', () => {
  const throttled = (isRetried: boolean) =>
    ({
      kind: 'throttle',
      atMs: T0 + 10,
      resourceId: 'gpt',
      untilMs: T0 + 20,
      call: { id: 'r1', grantedAtMs: T0, isRetried },
    }) as const
  const table: Readonly<
    Record<string, { rule: Partial<Resource>; isRetried: boolean; used: number; left: number }>
  > = {
    'costs nothing where the provider does not charge it': {
      rule: {},
      isRetried: true,
      used: 0,
      left: 100,
    },
    'stays charged where it does, although nothing was used': {
      rule: { chargeRejected: true },
      isRetried: false,
      used: 0,
      left: 70,
    },
    'is charged beside the one that is made again': {
      rule: { chargeRejected: true },
      isRetried: true,
      used: 30,
      left: 40,
    },
    'is charged beside the one that is made again, also where nothing is refunded': {
      rule: { chargeRejected: true, refund: 'none' },
      isRetried: true,
      used: 30,
      left: 40,
    },
    'is the charge of its grant where nothing is refunded and the grant is given back': {
      rule: { chargeRejected: true, refund: 'none' },
      isRetried: false,
      used: 0,
      left: 70,
    },
  }
  test.for(Object.entries(table))('%s', ([, { rule, isRetried, used, left: want }]) => {
    const state = limiter(resource('gpt', [MINUTE], rule))
    run(state, reserve('r1', 0, 30), throttled(isRetried), settle('r1', 30, used))
    expect(left(state, 30)).toBe(want)
  })

  test('AD2 slows an adaptive limit down, once for a burst', () => {
    const adaptive: Limit = {
      type: 'adaptive',
      units: 100,
      windowMs: 60_000,
      floor: 1_000,
      decrease: 9_000,
      increase: 100,
    }
    const state = limiter(resource('gpt', [adaptive]))
    run(state, throttled(false), { ...throttled(false), atMs: T0 + 15 })
    expect(left(state, 30)).toBe(90)
    expect(told(run(state, reserve('r2', 30, 91)))).toEqual(['queued r2'])
  })
})
