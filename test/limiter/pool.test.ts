import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Resource } from '../../domain/resource.ts'
import type { Effect } from '../../limiter/effect.ts'
import type { LimiterEvent } from '../../limiter/event.ts'
import { openPools } from '../../limiter/pool.ts'
import { encode, restore, type LimiterState } from '../../limiter/state.ts'
import { nextWakeMs, step } from '../../limiter/step.ts'
import { availability, check } from '../../limiter/view.ts'
import {
  bucket,
  configuration,
  limiter,
  lives,
  reserve,
  resource,
  run,
  settle,
  slots,
  T0,
  tick,
  told,
  tryReserve,
  window,
} from './fixture.ts'
import { runs } from '../support/runs.ts'

const POOLS = { reserved: 1_000, dedicated: { acme: 2_000 }, lending: { reserved: 0, dedicated: 0 } }
const OTHER = { clientId: 'other' } as const
const URGENT = { urgency: 'urgent' } as const

function left(state: LimiterState, atMs = 0): Record<string, number> {
  const [gpt] = availability(state, T0 + atMs, 'gpt')
  return Object.fromEntries(Object.entries(gpt?.pools ?? {}).map(([name, pool]) => [name, pool.available]))
}

test('PL1 the parts of every limit add up to the limit', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 100_000 }),
      fc.array(fc.integer({ min: 0, max: 2_500 }), { minLength: 1, maxLength: 4 }),
      (units, [reserved = 0, ...parts]) => {
        const dedicated = Object.fromEntries(parts.map((part, at) => [`c${at}`, part]))
        const limits = [bucket(units, units, 60_000), window(units, 1_000), slots(units)]
        const pools = openPools(resource('gpt', limits, { pools: { reserved, dedicated } }), T0, () => [])
        const whole = limits.map((_, index) =>
          pools.reduce((sum, { meters }) => sum + (meters[index]?.view(T0).limit ?? 0), 0),
        )
        expect(whole).toEqual([units, units, units])
        const perWhole = pools.reduce((sum, { limits: [limit] }) => {
          return limit?.type === 'token-bucket'
            ? sum + (limit.refillUnits * 60_000 * 10_000) / limit.refillMs
            : sum
        }, 0)
        expect(perWhole).toBe(units * 10_000)
      },
    ),
  )
})

describe('PL2 who may use which', () => {
  const gpt = resource('gpt', [window(100, 60_000)], { pools: POOLS })

  test('a client its own first, then the shared one; urgent work the reserved one last', () => {
    const state = limiter(gpt)
    expect(left(state)).toEqual({ shared: 70, 'dedicated:acme': 20, reserved: 10 })
    run(state, reserve('r1', 0, 15), reserve('r2', 0, 15), reserve('r3', 0, 50, OTHER))
    expect(left(state)).toEqual({ shared: 5, 'dedicated:acme': 5, reserved: 10 })
    run(state, reserve('r4', 0, 8, { ...OTHER, ...URGENT }))
    expect(left(state)).toEqual({ shared: 5, 'dedicated:acme': 5, reserved: 2 })
    expect(told(run(state, tryReserve('r5', 0, 6, OTHER)))).toEqual(['rejected r5'])
  })

  test('a burst of others never takes what is kept', () => {
    const state = limiter(gpt)
    for (let at = 0; at < 40; at += 1)
      run(state, tryReserve(`x${at}`, at, 7, { ...OTHER, tier: 'enterprise' }))
    expect(told(run(state, tryReserve('mine', 50, 20)))).toEqual(['granted mine'])
    expect(told(run(state, tryReserve('now', 50, 10, { ...OTHER, ...URGENT })))).toEqual(['granted now'])
  })

  test('what waits for the shared pool holds up nobody who has another', () => {
    const state = limiter(gpt)
    run(
      state,
      reserve('r1', 0, 70, OTHER),
      reserve('r2', 1, 30, { ...OTHER, tier: 'enterprise', urgency: 'high' }),
    )
    expect(told(run(state, reserve('mine', 2, 20, { urgency: 'low', tier: 'basic' })))).toEqual([
      'granted mine',
    ])
  })

  test('impossible is what fits none of the pools of the asker, told with the size of the largest', () => {
    const state = limiter(gpt)
    expect(run(state, reserve('r1', 0, 71))).toMatchObject([
      { rejection: { reason: 'impossible', limit: 0, needed: 71, size: 70 } },
    ])
    const ask = { clientId: 'other', maxConcurrent: null, urgency: 'normal', tier: 'basic' } as const
    expect(check(state, { ...ask, demand: [['gpt', 71]] }, T0)).toMatchObject({ impossible: { size: 70 } })
    expect(check(state, { ...ask, demand: [['gpt', 70]] }, T0)).toMatchObject({ fitsNow: true })
  })
})

test('PL3 a reservation is settled in the pool that it was charged to, also through JSON and after its lease', () => {
  const gpt = resource('gpt', [window(100, 600_000), slots(10, 'unit')], {
    pools: { reserved: 0, dedicated: { acme: 5_000 } },
  })
  for (const late of [false, true]) {
    let state = limiter(gpt)
    run(state, reserve('r1', 0, 4), reserve('r2', 0, 3, OTHER), tick(late ? 30_000 : 0))
    state = restore(JSON.parse(JSON.stringify(encode(state))))
    run(state, settle('r1', 30_001, 1))
    const [own, shared] = [left(state, 30_001)['dedicated:acme'], left(state, 30_001)['shared']]
    expect([own, shared]).toEqual([5, late ? 5 : 5])
    expect(availability(state, T0 + 30_001)[0]?.pools['dedicated:acme']?.limits[0]?.used).toBe(1)
    expect(availability(state, T0 + 30_001)[0]?.pools['shared']?.limits[0]?.used).toBe(3)
  }
})

describe('R2 pools that change', () => {
  const carved = resource('gpt', [window(100, 60_000)], { pools: POOLS })
  const plain = resource('gpt', [window(100, 60_000)])

  test('a pool that is new has nothing to give while the shared one gave it away', () => {
    const state = limiter(plain)
    run(state, reserve('r1', 0, 90))
    run(state, configuration([carved], { version: 2 }))
    const free = Object.values(left(state)).filter((units) => units > 0)
    expect(free.reduce((sum, units) => sum + units, 0)).toBe(10)
    expect(left(state, 60_000)).toEqual({ shared: 70, 'dedicated:acme': 20, reserved: 10 })
  })

  test('slots in flight are never more than all pools have together', () => {
    const big = resource('gpt', [slots(10, 'unit')], { pools: { reserved: 0, dedicated: { acme: 8_000 } } })
    const small = resource('gpt', [slots(10, 'unit')], { pools: { reserved: 0, dedicated: { acme: 1_000 } } })
    const state = limiter(big)
    run(state, reserve('r1', 0, 8), configuration([small], { version: 2 }))
    expect(left(state)).toEqual({ shared: 2, 'dedicated:acme': -7 })
    expect(told(run(state, tryReserve('r2', 0, 3, OTHER), reserve('r3', 0, 3, OTHER)))).toEqual([
      'rejected r2',
      'queued r3',
    ])
    expect(told(run(state, reserve('r4', 0, 2, { clientId: 'third', tier: 'enterprise' })))).toEqual([
      'granted r4',
    ])
    expect(told(run(state, settle('r1', 9)))).toEqual(['settled r1', 'granted r3'])
  })

  test('what was used of a pool that is gone was used of the shared one', () => {
    const state = limiter(carved)
    run(state, reserve('r1', 0, 18), reserve('r2', 0, 30, OTHER))
    run(state, configuration([plain], { version: 2 }))
    expect(left(state)).toEqual({ shared: 52 })
  })
})

/** Units of `a` granted in the 20 s before each grant, at the most. */
function mostIn(effects: readonly Effect[], windowMs: number): number {
  const grants = new Map(
    effects.flatMap((effect) => (effect.kind === 'granted' ? [[effect.id, effect] as const] : [])),
  )
  const charges = [...grants.values()].map(({ atMs, demand }) => ({
    atMs,
    units: demand.find(([id]) => id === 'a')?.[1] ?? 0,
  }))
  return Math.max(
    0,
    ...charges.map((last) =>
      charges
        .filter(({ atMs }) => atMs > last.atMs - windowMs && atMs <= last.atMs)
        .reduce((sum, { units }) => sum + units, 0),
    ),
  )
}

test('PL4 nobody waits for a pool that is too small for it, and the next wake is when one that is not has room', () => {
  const calls = { type: 'sliding-window', units: 4, windowMs: 3_000, per: 'reservation' } as const
  // A fifth of four calls is none.
  const state = limiter(resource('gpt', [calls], { pools: { ...POOLS, reserved: 2_000 } }))
  const effects = [0, 1, 2, 3, 4].flatMap((nth) => run(state, reserve(`r${nth}`, 0, 1, URGENT)))
  expect(told(effects)).toEqual(['granted r0', 'granted r1', 'granted r2', 'granted r3', 'queued r4'])
  expect(effects.at(-1)).toMatchObject({ etaMs: T0 + 3_000 })
  expect(state.startAtMs).toBe(T0 + 3_000)
})

test('J1 D4 who keeps a loan for itself lets go of it when a pool of its own has room, and that is a wake', () => {
  const lending = { reserved: 0, dedicated: 10_000 }
  const state = limiter(
    resource('gpt', [window(120, 6_000), window(70, 1_000)], {
      pools: { reserved: 2_000, dedicated: { bolt: 4_000 }, lending },
      refund: 'none',
    }),
    resource('slot', [slots(2, 'unit')]),
  )
  const of = (gpt: number, slot: number) => ({
    demand: [['gpt', gpt] as const, ['slot', slot] as const].filter(([, units]) => units > 0),
    leaseMs: 1_001,
  })
  run(state, tryReserve('r0', 0, 0, of(1, 1)), reserve('first', 0, 0, of(28, 2)))
  // The shared pool has 27 of a second left until 1,000: the first one keeps the loan for when its slots are free, at
  // 1,001, and the shared pool is kept for it by the guaranteed share.
  expect(told(run(state, reserve('second', 0, 0, of(21, 0))))).toEqual(['queued second'])
  expect(nextWakeMs(state)).toBe(T0 + 1_000)
  expect(told(run(state, tick(1_000)))).toEqual(['granted second'])
})

test('PL1 R2 L1 whatever happens, and however the pools change, the limit holds over all of them', () => {
  const versions: readonly Resource[] = [
    undefined,
    POOLS,
    { reserved: 4_000, dedicated: { bolt: 1_000 } },
  ].map((pools) =>
    resource(
      'a',
      [bucket(200, 7, 1_000), window(150, 20_000), slots(9)],
      pools === undefined ? {} : { pools },
    ),
  )
  const others = ['b', 'c'].map((id) => resource(id, [slots(50, 'unit')]))
  fc.assert(
    fc.property(lives(80), fc.array(fc.nat({ max: 2 }), { maxLength: 6 }), (events, changes) => {
      const state = limiter(...others, versions[1] ?? resource('a', []))
      const effects: Effect[] = []
      let restored = state
      events.forEach((event, at) => {
        const told: LimiterEvent =
          event.kind === 'settle'
            ? { ...event, actual: null }
            : event.kind === 'extend'
              ? { ...event, used: null }
              : event
        const change = at % 13 === 12 ? versions[changes[Math.floor(at / 13)] ?? 3] : undefined
        if (change !== undefined) {
          const changed = configuration([change], { atMs: restored.nowMs, version: at + 2 })
          effects.push(...step(restored, changed))
          restored = restore(JSON.parse(JSON.stringify(encode(restored))))
        }
        effects.push(...step(restored, told))
      })
      expect(mostIn(effects, 20_000)).toBeLessThanOrEqual(150)
      const [a] = availability(restored, restored.nowMs, 'a')
      expect(a?.limits[2]?.used).toBeLessThanOrEqual(9)
      expect(a?.limits[1]?.limit).toBe(150)
    }),
    runs(100),
  )
})

describe('PL5 lending', () => {
  const LENDS = { reserved: 1_000, dedicated: { acme: 4_000 } }
  const gpt = resource('gpt', [window(100, 60_000)], { pools: LENDS })

  test('others borrow up to half of a dedicated pool, and nothing of the reserved one', () => {
    const state = limiter(gpt)
    run(state, reserve('r1', 0, 50, OTHER))
    expect(told(run(state, tryReserve('r2', 0, 20, OTHER), tryReserve('r3', 0, 1, OTHER)))).toEqual([
      'granted r2',
      'rejected r3',
    ])
    expect(left(state)).toEqual({ shared: 0, 'dedicated:acme': 20, reserved: 10 })
  })

  test('as much as is configured, of the reserved one too', () => {
    const pools = { ...LENDS, lending: { reserved: 10_000, dedicated: 0 } }
    const state = limiter(resource('gpt', [window(100, 60_000)], { pools }))
    run(state, reserve('r1', 0, 50, OTHER))
    expect(told(run(state, tryReserve('r2', 0, 10, OTHER), tryReserve('r3', 0, 1, OTHER)))).toEqual([
      'granted r2',
      'rejected r3',
    ])
  })

  test('nothing is lent while the owner waits, and lent again when it does no more', () => {
    const state = limiter(gpt)
    run(state, reserve('r1', 0, 50, OTHER), reserve('r2', 0, 15, OTHER))
    run(state, reserve('mine', 10, 40))
    expect(told(run(state, reserve('r3', 20, 5, OTHER)))).toEqual(['queued r3'])
    expect(told(run(state, { kind: 'cancel', atMs: T0 + 30, id: 'mine' }))).toEqual([
      'cancelled mine',
      'granted r3',
    ])
  })

  test('who waits behind an owner is looked at again once the owner is served', () => {
    const pools = { reserved: 0, dedicated: { acme: 4_000 } }
    const state = limiter(resource('gpt', [window(100, 60_000)], { pools, guaranteedShare: 0 }))
    run(state, reserve('r1', 0, 60, OTHER), reserve('own', 0, 40))
    run(state, reserve('big', 1, 60, { ...OTHER, urgency: 'high' }), reserve('small', 2, 20, OTHER))
    run(state, reserve('mine', 3, 1, { urgency: 'low' }), tick(59_999))
    expect(told(run(state, tick(60_000)))).toEqual(['granted big', 'granted mine', 'granted small'])
  })

  test('a loan is settled in the pool and in its loans, also through JSON and another configuration', () => {
    let state = limiter(gpt)
    run(state, reserve('r1', 0, 50, OTHER), reserve('r2', 0, 20, OTHER))
    state = restore(JSON.parse(JSON.stringify(encode(state))))
    run(state, configuration([{ ...gpt, maxQueue: 7 }], { version: 2 }))
    expect(told(run(state, tryReserve('r3', 1, 1, OTHER)))).toEqual(['rejected r3'])
    run(state, settle('r2', 2, 5))
    expect(left(state, 2)['dedicated:acme']).toBe(35)
    expect(told(run(state, tryReserve('r4', 3, 15, OTHER), tryReserve('r5', 3, 1, OTHER)))).toEqual([
      'granted r4',
      'rejected r5',
    ])
  })

  test('a demand that fits only what is lent is impossible', () => {
    const pools = { reserved: 0, dedicated: { acme: 9_000 } }
    const state = limiter(resource('gpt', [window(100, 60_000)], { pools }))
    expect(run(state, reserve('r1', 0, 11, OTHER))).toMatchObject([
      { rejection: { reason: 'impossible', size: 10 } },
    ])
  })

  test('slots are lent, and given back when the leases end', () => {
    const pools = { reserved: 0, dedicated: { acme: 5_000 } }
    const state = limiter(resource('gpt', [slots(8, 'unit')], { pools }))
    run(state, reserve('r1', 0, 4, OTHER), reserve('r2', 0, 2, OTHER))
    expect(told(run(state, tryReserve('r3', 0, 1, OTHER), reserve('mine', 0, 4)))).toEqual([
      'rejected r3',
      'queued mine',
    ])
    expect(told(run(state, settle('r2', 5)))).toEqual(['settled r2', 'granted mine'])
  })

  test('an owner that took nothing of late has all of its pool within one window, whatever others ask for', () => {
    const asks = fc.array(
      fc.record({
        afterMs: fc.nat({ max: 3_000 }),
        units: fc.integer({ min: 1, max: 30 }),
        urgency: fc.constantFrom('urgent', 'normal'),
        clientId: fc.constantFrom('other', 'third'),
      }),
      { minLength: 30, maxLength: 80 },
    )
    fc.assert(
      fc.property(asks, fc.nat({ max: 40 }), fc.integer({ min: 21, max: 40 }), (others, at, units) => {
        const state = limiter(gpt)
        const effects: Effect[] = []
        let nowMs = 0
        let askedAtMs = -1
        others.forEach(({ afterMs, ...ask }, index) => {
          nowMs += afterMs
          if (index === at) {
            askedAtMs = nowMs
            effects.push(...run(state, reserve('mine', nowMs, units, { urgency: 'low', tier: 'basic' })))
          }
          const tier = 'enterprise'
          effects.push(...run(state, reserve(`x${index}`, nowMs, ask.units, { ...ask, tier })))
        })
        for (const laterMs of [0, 20_000, 40_000, 59_999, 60_000]) {
          if (askedAtMs + laterMs > nowMs) effects.push(...run(state, tick(askedAtMs + laterMs)))
        }
        const mine = effects.find((effect) => effect.kind === 'granted' && effect.id === 'mine')
        if (askedAtMs >= 0 && nowMs <= askedAtMs + 60_000) {
          expect(mine?.atMs).toBeLessThanOrEqual(T0 + askedAtMs + 60_000)
        }
      }),
    )
  })
})
