import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { Limit } from '../../domain/limit.ts'
import { countOf, ENDINGS_KEPT_MS, ENDINGS_BYTES_MAX, endingOf } from '../../limiter/endings.ts'
import { encode, restore } from '../../limiter/state.ts'
import { availability } from '../../limiter/view.ts'
import { bucket, limiter, reserve, resource, run, settle, slots, T0, tick, told, window } from './fixture.ts'

const LIMITS = [bucket(100, 100, 60_000), window(100, 60_000), slots(4)]

function left(state: ReturnType<typeof limiter>, atMs: number): number | undefined {
  return availability(state, T0 + atMs)[0]?.available
}

describe('settle', () => {
  test.each([
    ['U1 a lower use gives back the difference', 'at-settle', 40, 60],
    ['U1 a lower use gives nothing back where the provider keeps it', 'none', 40, 30],
    ['U1 a higher use is charged at once', 'at-settle', 90, 10],
    ['U1 a higher use is charged also where nothing is refunded', 'none', 90, 10],
    ['U1 an overrun beyond the limit is debt', 'at-settle', 130, -30],
    ['U1 null is as much as was reserved', 'at-settle', null, 30],
    ['U1 zero is zero', 'at-settle', 0, 100],
  ] as const)('%s', (_name, refund, used, available) => {
    const state = limiter(resource('gpt', LIMITS, { refund }))
    run(state, reserve('r1', 0, 70))
    expect(run(state, settle('r1', 0, used))).toEqual([
      { kind: 'settled', id: 'r1', atMs: T0, left: { gpt: available }, late: false },
    ])
    expect(availability(state, T0)).toMatchObject([{ inFlight: 0 }])
  })

  test('U1 where calls are limited beside units, each reservation is one call, given back only where nothing was used', () => {
    const calls: Limit = { type: 'sliding-window', units: 3, windowMs: 60_000, per: 'reservation' }
    const state = limiter(resource('gpt', [window(100, 60_000), calls]))
    run(state, reserve('r1', 0, 30), reserve('r2', 0, 30), reserve('r3', 0, 30))
    expect(told(run(state, reserve('r4', 0, 1)))).toEqual(['queued r4'])
    expect(told(run(state, settle('r1', 0, 40)))).toEqual(['settled r1'])
    expect(told(run(state, settle('r2', 0, 1)))).toEqual(['settled r2'])
    expect(told(run(state, settle('r3', 0, 0)))).toEqual(['settled r3', 'granted r4'])
    expect(availability(state, T0)[0]?.limits.map(({ used }) => used)).toEqual([42, 3])
  })

  test('U1 a resource that is not listed used nothing', () => {
    const state = limiter(resource('gpt', LIMITS))
    run(state, reserve('r1', 0, 70))
    expect(run(state, { kind: 'settle', atMs: T0, id: 'r1', actual: [] })).toMatchObject([
      { left: { gpt: 100 } },
    ])
  })

  test('U2 U3 settled twice is once, and the second is told so', () => {
    const state = limiter(resource('gpt', LIMITS))
    run(state, reserve('r1', 0, 70), settle('r1', 0, 40))
    expect(run(state, settle('r1', 0, 0))).toEqual([
      { kind: 'ignored', id: 'r1', atMs: T0, operation: 'settle', state: 'ended' },
    ])
    expect(left(state, 0)).toBe(60)
  })

  test('U3 an unknown id changes nothing', () => {
    const state = limiter(resource('gpt', LIMITS))
    expect(run(state, settle('who', 0, 40))).toMatchObject([{ kind: 'ignored', state: 'unknown' }])
    expect(left(state, 0)).toBe(100)
    run(state, reserve('who', 0, 100))
    expect(told(run(state, reserve('r1', 0, 10), settle('r1', 0, 10)))).toEqual(['queued r1', 'ignored r1'])
  })

  test('U4 use of a resource that was not reserved is charged', () => {
    const state = limiter(resource('gpt', LIMITS), resource('mail', [window(5, 1_000)]))
    run(state, reserve('r1', 0, 70))
    run(state, {
      kind: 'settle',
      atMs: T0,
      id: 'r1',
      actual: [
        ['gpt', 70],
        ['mail', 7],
      ],
    })
    expect(availability(state, T0, 'mail')).toMatchObject([{ available: -2 }])
  })

  test('M1 U2 a lease that runs out gives back slots, never units; settled later it is late, once', () => {
    const state = limiter(resource('gpt', [window(100, 600_000), slots(1)]))
    run(state, reserve('r1', 0, 70))
    expect(told(run(state, tick(29_999)))).toEqual([])
    expect(told(run(state, tick(30_000)))).toEqual(['lease-expired r1'])
    expect(availability(state, T0 + 30_000)).toMatchObject([{ available: 30, inFlight: 0 }])
    expect(run(state, settle('r1', 40_000, 80))).toEqual([
      { kind: 'settled', id: 'r1', atMs: T0 + 40_000, left: { gpt: 20 }, late: true },
    ])
    expect(told(run(state, settle('r1', 40_001, 90)))).toEqual(['ignored r1'])
    expect(left(state, 40_001)).toBe(20)
  })

  test('U1 a late settlement of less gives back the difference too', () => {
    const state = limiter(resource('gpt', [window(100, 600_000)]))
    run(state, reserve('r1', 0, 70), tick(30_000))
    expect(run(state, settle('r1', 40_000, 20))).toMatchObject([{ left: { gpt: 80 }, late: true }])
  })
})

describe('extend', () => {
  test('the lease is renewed and more use than reserved is booked at once, never taken back', () => {
    const state = limiter(resource('gpt', LIMITS))
    run(state, reserve('r1', 0, 50))
    const extend = (atMs: number, units: number) =>
      run(state, { kind: 'extend', atMs: T0 + atMs, id: 'r1', leaseMs: 30_000, used: [['gpt', units]] })
    expect(extend(10, 20)).toEqual([{ kind: 'extended', id: 'r1', atMs: T0 + 10, expiresAtMs: T0 + 30_010 }])
    expect(left(state, 10)).toBe(50)
    extend(10, 65)
    extend(10, 60)
    expect(left(state, 10)).toBe(35)
    run(state, settle('r1', 10, 65))
    expect(left(state, 10)).toBe(35)
  })

  test('a slot is held until the renewed end', () => {
    const state = limiter(resource('gpt', [slots(2, 'unit')]))
    run(state, reserve('r1', 0, 2))
    run(state, { kind: 'extend', atMs: T0 + 20_000, id: 'r1', leaseMs: 30_000, used: null })
    expect(told(run(state, tick(30_000)))).toEqual([])
    expect(left(state, 30_000)).toBe(0)
    expect(told(run(state, tick(50_000)))).toEqual(['lease-expired r1'])
    expect(left(state, 50_000)).toBe(2)
  })

  test('U3 an id that holds no lease changes nothing', () => {
    const state = limiter(resource('gpt', LIMITS))
    expect(
      run(state, { kind: 'extend', atMs: T0, id: 'r1', leaseMs: 1_000, used: [['gpt', 5]] }),
    ).toMatchObject([{ kind: 'ignored', operation: 'extend', state: 'unknown' }])
    expect(left(state, 0)).toBe(100)
  })
})

describe('cancel', () => {
  test('X1 a waiting one leaves the queue, and those behind it move up', () => {
    const state = limiter(resource('gpt', LIMITS))
    run(state, reserve('r1', 0, 90), reserve('big', 0, 90), reserve('small', 0, 5))
    expect(told(run(state, { kind: 'cancel', atMs: T0, id: 'big' }))).toEqual([
      'cancelled big',
      'granted small',
    ])
    expect(run(state, { kind: 'cancel', atMs: T0, id: 'big' })).toMatchObject([
      { kind: 'ignored', state: 'ended' },
    ])
  })

  test('X1 a granted one is not cancelled', () => {
    const state = limiter(resource('gpt', LIMITS))
    run(state, reserve('r1', 0, 90))
    expect(run(state, { kind: 'cancel', atMs: T0, id: 'r1' })).toMatchObject([
      { kind: 'ignored', state: 'granted' },
    ])
    expect(availability(state, T0)).toMatchObject([{ inFlight: 1 }])
  })
})

describe('endings', () => {
  const cancelled = (id: string, atMs: number) => ({ kind: 'cancel', atMs: T0 + atMs, id }) as const

  test('E1 E2 an ending is remembered for ten minutes at least, and forgotten after fifteen', () => {
    const state = limiter(resource('gpt', LIMITS))
    run(state, cancelled('first', 0), cancelled('last', 149_999))
    run(state, tick(149_999 + ENDINGS_KEPT_MS))
    expect(endingOf(state.endings, 'last')).toEqual({ kind: 'cancelled' })
    expect(told(run(state, reserve('last', 149_999 + ENDINGS_KEPT_MS, 1)))).toEqual(['cancelled last'])
    for (let atMs = 150_000; atMs <= 900_000; atMs += 1_000) run(state, tick(atMs))
    expect(countOf(state.endings)).toBe(0)
  })

  test('E1 each of 20,000 operations of ten minutes finds its ending, also over JSON', () => {
    const state = limiter(resource('gpt', LIMITS))
    for (let at = 0; at < 20_000; at += 1) run(state, cancelled(`r${at}`, at * 30))
    const restored = restore(JSON.parse(JSON.stringify(encode(state))))
    for (const { endings } of [state, restored]) {
      expect(countOf(endings)).toBe(20_000)
      expect(endingOf(endings, 'r0')).toEqual({ kind: 'cancelled' })
      expect(endingOf(endings, 'r19999')).toEqual({ kind: 'cancelled' })
    }
  })

  test('E3 as many as are remembered, with UUIDs, are half of what a continued run can be given', () => {
    const state = limiter(resource('gpt', LIMITS))
    const empty = JSON.stringify(encode(state)).length
    for (let at = 0; at < 50_000; at += 1) run(state, cancelled(`${randomUUID()}#1`, at))
    expect(countOf(state.endings)).toBeGreaterThan(25_000)
    expect(JSON.stringify(encode(state)).length - empty).toBeLessThanOrEqual(ENDINGS_BYTES_MAX)
  })

  test('E3 of more than ENDINGS_BYTES_MAX, the oldest are forgotten early and judged as new; the rest stay', () => {
    const state = limiter(resource('gpt', LIMITS))
    const idOf = (nth: number): string => `r${nth}`.padEnd(128, '.')
    const most = Math.floor(ENDINGS_BYTES_MAX / (128 + 3))
    for (let at = 0; at < 2 * most; at += 1) {
      run(state, cancelled(idOf(at), 0))
      if (at % 1_000 === 0) expect(countOf(state.endings)).toBeLessThanOrEqual(most)
    }
    expect(told(run(state, reserve(idOf(0), 1, 1)))).toEqual([`granted ${idOf(0)}`])
    for (let at = 2 * most - 1; at > (2 - 3 / 4) * most; at -= 1) {
      if (endingOf(state.endings, idOf(at)) === undefined) expect.fail(`${at} is forgotten`)
    }
  })
})
