import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Limit } from '../../../domain/limit.ts'
import { tokenBucket } from '../../../limiter/limits/token-bucket.ts'
import { nextWakeMs } from '../../../limiter/step.ts'
import { availability } from '../../../limiter/view.ts'
import {
  bucket,
  grantedIds,
  limiter,
  reserve,
  resource,
  run,
  T0,
  tick,
  tryReserve,
  window,
} from '../fixture.ts'

type Bucket = Extract<Limit, { type: 'token-bucket' }>

function open(capacity: number, refillUnits: number, refillMs: number, jitterMs = 0) {
  const limit: Bucket = { type: 'token-bucket', capacity, refillUnits, refillMs }
  return tokenBucket(limit, jitterMs, [], 0)
}

/** `[time in 100 ms, tokens before the call, asked, granted]` */
type Call = readonly [step: number, tokens: number, asked: number, granted: boolean]

const CALLS: Readonly<Record<string, { burst: number; calls: readonly Call[] }>> = {
  'vector 1 (x/time/rate BurstN): rate 10/s, burst 1': {
    burst: 1,
    calls: [
      [0, 1, 1, true],
      [0, 0, 1, false],
      [0, 0, 1, false],
      [1, 1, 1, true],
      [1, 0, 1, false],
      [2, 1, 2, false],
      [2, 1, 1, true],
      [2, 0, 1, false],
    ],
  },
  'vector 2 (x/time/rate): rate 10/s, burst 3': {
    burst: 3,
    calls: [
      [0, 3, 2, true],
      [0, 1, 2, false],
      [0, 1, 1, true],
      [0, 0, 1, false],
      [1, 1, 4, false],
      [2, 2, 1, true],
      [3, 2, 1, true],
      [4, 2, 1, true],
      [4, 1, 1, true],
      [4, 0, 1, false],
      [9, 3, 3, true],
      [9, 0, 0, true],
    ],
  },
  // There the clock follows back and a token comes at t1; here time stands still until t1 has passed.
  'vector 3 (x/time/rate JumpBackwards): no token is gained by a jump back': {
    burst: 3,
    calls: [
      [1, 3, 1, true],
      [0, 2, 1, true],
      [0, 1, 1, true],
      [0, 0, 1, false],
      [1, 0, 1, false],
      [2, 1, 1, true],
      [2, 0, 1, false],
    ],
  },
}

describe('B1 B2 grants and refusals', () => {
  for (const [name, { burst, calls }] of Object.entries(CALLS)) {
    test(name, () => {
      const state = limiter(resource('gpt', [bucket(burst, 10, 1_000)]))
      for (const [index, [at, tokens, asked, granted]] of calls.entries()) {
        expect(availability(state, T0 + at * 100)[0]?.available).toBe(tokens)
        const effects = run(state, tryReserve(`r${index}`, at * 100, asked))
        expect(grantedIds(effects).length).toBe(granted ? 1 : 0)
      }
    })
  }
})

test('vector 4 (x/time/rate Reserve): 10/s, burst 2: two at t0, two at t2, two asked at t3 at t4; three never', () => {
  const state = limiter(resource('gpt', [bucket(2, 10, 1_000)]))
  expect(grantedIds(run(state, reserve('first', 0, 2)))).toEqual(['first'])
  run(state, reserve('second', 0, 2))
  expect(nextWakeMs(state)).toBe(T0 + 200)
  expect(grantedIds(run(state, tick(199)))).toEqual([])
  expect(grantedIds(run(state, tick(200)))).toEqual(['second'])
  run(state, reserve('third', 300, 2))
  expect(nextWakeMs(state)).toBe(T0 + 400)
  expect(grantedIds(run(state, tick(400)))).toEqual(['third'])
  const before = availability(state, T0 + 400)
  expect(run(state, reserve('never', 400, 3))).toMatchObject([
    {
      kind: 'rejected',
      rejection: { reason: 'impossible', resourceId: 'gpt', limit: 0, needed: 3, size: 2 },
    },
  ])
  expect(availability(state, T0 + 400)).toEqual(before)
})

test('vector 7 (x/time/rate LongRunningQPS): 100/s, burst 100, tried every 2 ms for 5 s', () => {
  const meter = open(100, 100, 1_000)
  let granted = 0
  for (let atMs = 0; atMs <= 5_000; atMs += 2) {
    if (meter.available(atMs) < 1) continue
    meter.charge(1, atMs)
    granted += 1
  }
  expect(granted).toBeGreaterThanOrEqual(0.999 * 600)
  expect(granted).toBeLessThanOrEqual(601)
})

test('vector 9 (throttled GCRA): 1/s, burst 5', () => {
  const meter = open(5, 1, 1_000)
  /** `[time in ms, volume, granted, left after, retry after]` */
  const calls = [
    [0, 6, false, 5, null],
    [0, 1, true, 4, 0],
    [0, 1, true, 3, 0],
    [0, 1, true, 2, 0],
    [0, 1, true, 1, 0],
    [0, 1, true, 0, 0],
    [0, 1, false, 0, 1_000],
    [3_000, 1, true, 2, 0],
    [3_100, 1, true, 1, 0],
    [4_000, 1, true, 1, 0],
    [8_000, 1, true, 4, 0],
    [9_500, 1, true, 4, 0],
    [9_500, 0, true, 4, 0],
    [9_500, 2, true, 2, 0],
    [9_500, 5, false, 2, 3_000],
  ] as const
  const resets: (number | null)[] = []
  for (const [atMs, volume, granted, left, retryMs] of calls) {
    expect(volume > meter.size ? null : (meter.earliest(volume, atMs) ?? 0) - atMs).toBe(retryMs)
    expect(meter.available(atMs) >= volume).toBe(granted)
    if (granted) meter.charge(volume, atMs)
    expect(meter.available(atMs)).toBe(left)
    resets.push(meter.view(atMs).resetsAtMs)
  }
  expect(resets[6]).toBe(5_000)
  expect(resets[8]).toBe(7_000)
})

test('vector 10 (anti): a bucket of 10,000 with 166/s lets 19,960 through in a minute; with its window 10,000', () => {
  const bare = open(10_000, 166, 1_000)
  let through = 0
  for (let atMs = 0; atMs <= 60_000; atMs += 10) {
    const units = bare.available(atMs)
    bare.charge(units, atMs)
    through += units
  }
  expect(through).toBe(19_960)

  const state = limiter(resource('gpt', [bucket(10_000, 10_000, 60_000), window(10_000, 60_000)]))
  const grants: (readonly [atMs: number, units: number])[] = []
  for (let atMs = 0; atMs < 300_000; atMs += 500) {
    const units = availability(state, T0 + atMs)[0]?.available ?? 0
    if (units < 1) continue
    expect(grantedIds(run(state, tryReserve(`r${atMs}`, atMs, units)))).toEqual([`r${atMs}`])
    grants.push([atMs, units])
  }
  for (const [lastMs] of grants) {
    const inWindow = grants.filter(([atMs]) => atMs > lastMs - 60_000 && atMs <= lastMs)
    expect(inWindow.reduce((sum, [, units]) => sum + units, 0)).toBeLessThanOrEqual(10_000)
  }
})

test('B1 a virtual year of 10,000 per minute in uneven steps loses and gains nothing', () => {
  const meter = open(10_000, 10_000, 60_000)
  meter.charge(10_000, 0)
  let taken = 0
  let atMs = 0
  const yearMs = 365 * 86_400_000
  for (let stepMs = 7_001; atMs < yearMs; stepMs = 3_001 + ((stepMs * 7) % 40_009)) {
    atMs = Math.min(yearMs, atMs + stepMs)
    const units = meter.available(atMs)
    meter.charge(units, atMs)
    taken += units
  }
  expect(taken).toBe(365 * 24 * 60 * 10_000)
})

test('B1 A1 a bucket whose products pass 2^53 is as exact as one of fractions', () => {
  fc.assert(
    fc.property(
      fc.record({
        capacity: fc.integer({ min: 1, max: 1_000_000_000_000 }),
        refillUnits: fc.integer({ min: 1, max: 1_000_000_000_000 }),
        refillMs: fc.integer({ min: 1, max: 2_592_000_000 }),
      }),
      fc.array(fc.record({ afterMs: fc.nat({ max: 100_000_000 }), part: fc.nat({ max: 100 }) }), {
        maxLength: 20,
      }),
      ({ capacity, refillUnits, refillMs }, calls) => {
        const meter = open(capacity, refillUnits, refillMs)
        const full = BigInt(capacity) * BigInt(refillMs)
        let level = full
        let atMs = 0
        for (const { afterMs, part } of calls) {
          atMs += afterMs
          level += BigInt(afterMs) * BigInt(refillUnits)
          if (level > full) level = full
          const available = meter.available(atMs)
          expect(BigInt(available)).toBe(level / BigInt(refillMs))
          const units = Math.floor((available * part) / 100)
          meter.charge(units, atMs)
          level -= BigInt(units) * BigInt(refillMs)
        }
      },
    ),
  )
})

test('B2 a refund stops at the capacity', () => {
  const meter = open(100, 100, 60_000)
  meter.charge(60, 0)
  meter.refund(50, 0, 30_000)
  expect(meter.available(30_000)).toBe(100)
  expect(meter.available(90_000)).toBe(100)
})

test('B3 an overrun is debt, repaid at the refill rate before anything fits', () => {
  const meter = open(100, 100, 60_000)
  meter.charge(150, 0)
  expect(meter.available(0)).toBe(-50)
  expect(meter.available(30_000)).toBe(0)
  expect(meter.earliest(1, 0)).toBe(30_600)
})

test('B4 the capacity is less by refill times J, rounded to the safe side, and what arrives late still fits', () => {
  expect(open(100, 100, 60_000, 500).size).toBe(99)
  expect(open(100, 100, 60_000, 600).size).toBe(99)
  expect(open(100, 100, 60_000, 601).size).toBe(98)
  expect(open(1, 100, 60_000, 2_000).size).toBe(0)

  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 2_000 }),
      fc.array(fc.tuple(fc.nat({ max: 3_000 }), fc.nat({ max: 2_000 })), { minLength: 1, maxLength: 60 }),
      (jitterMs, calls) => {
        const meter = open(100, 10, 1_000, jitterMs)
        const arrivals: { atMs: number; units: number }[] = []
        let atMs = 0
        for (const [afterMs, delayMs] of calls) {
          atMs += afterMs
          const units = Math.max(0, meter.available(atMs))
          meter.charge(units, atMs)
          arrivals.push({ atMs: atMs + Math.min(delayMs, jitterMs), units })
        }
        const provider = open(100, 10, 1_000)
        for (const arrival of arrivals.sort((a, b) => a.atMs - b.atMs)) {
          expect(provider.available(arrival.atMs)).toBeGreaterThanOrEqual(arrival.units)
          provider.charge(arrival.units, arrival.atMs)
        }
      },
    ),
  )
})

test('B5 L5 opened anew with another capacity or rate, the level moves by the difference of the capacities', () => {
  const before = open(100, 100, 60_000)
  before.charge(30, 0)
  const changed = (limit: Omit<Bucket, 'type'>) =>
    tokenBucket({ type: 'token-bucket', ...limit }, 0, before.kept(), 0)
  expect(changed({ capacity: 250, refillUnits: 100, refillMs: 60_000 }).available(0)).toBe(220)
  expect(changed({ capacity: 20, refillUnits: 100, refillMs: 60_000 }).available(0)).toBe(-10)
  const partly = before.available(100)
  expect(partly).toBe(70)
  expect(changed({ capacity: 100, refillUnits: 7, refillMs: 1_000 }).available(0)).toBe(70)
})
