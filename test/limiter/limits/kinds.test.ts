import { describe, expect, test } from 'vitest'
import type { Adaptive, Limit, Slew } from '../../../domain/limit.ts'
import { adaptive } from '../../../limiter/limits/adaptive.ts'
import type { RateMeter } from '../../../limiter/limits/meter.ts'
import { carryOver, keptOf, openMeter } from '../../../limiter/limits/open.ts'
import { slew } from '../../../limiter/limits/slew.ts'
import * as p from './providers.ts'

const MINUTE = 60_000

function open(limit: Limit, jitterMs = 0): RateMeter {
  const meter = openMeter({ limit, jitterMs, kept: [], atMs: 0 })
  if (meter.kind !== 'rate') throw new Error('a limit of slots')
  return meter
}

/** Takes all that there is, every `everyMs`. */
function greedy(meter: RateMeter, fromMs: number, untilMs: number, everyMs: number): readonly p.Call[] {
  const calls: p.Call[] = []
  for (let atMs = fromMs; atMs < untilMs; atMs += everyMs) {
    const units = meter.available(atMs)
    if (units < 1) continue
    meter.charge(units, atMs)
    calls.push({ atMs, units })
  }
  return calls
}

function total(calls: readonly p.Call[], fromMs: number, untilMs: number): number {
  return calls.reduce((sum, { atMs, units }) => (atMs >= fromMs && atMs < untilMs ? sum + units : sum), 0)
}

describe('sliding counter', () => {
  test('vector 11 (anti): who trusts the plain counter has 199 of 100 in a minute; the mirror never more than 100', () => {
    const plain = p.counterProvider(100, MINUTE, 0)
    const burst = (atMs: number, units: number): number =>
      Array.from({ length: units }, () => plain({ atMs, units: 1 })).filter(Boolean).length
    expect(burst(59_999, 100) + burst(2 * MINUTE - 600, 100)).toBe(199)

    const meter = open({ type: 'sliding-counter', units: 100, windowMs: MINUTE })
    const calls = [...greedy(meter, 59_999, 60_000, 1), ...greedy(meter, 60_000, 10 * MINUTE, 100)]
    const most = Math.max(...calls.map(({ atMs }) => total(calls, atMs - MINUTE + 1, atMs + 1)))
    expect(most).toBe(100)
  })

  test('SC5 a tenth goes at once, the rest at the pace of the limit, and more than a tenth where nothing went before', () => {
    const calls = open({ type: 'sliding-counter', units: 100, windowMs: MINUTE })
    for (let call = 0; call < 10; call += 1) {
      expect(calls.available(0)).toBeGreaterThan(0)
      calls.charge(1, 0)
    }
    expect(calls.available(0)).toBe(0)
    expect(calls.earliest(1, 0)).toBe(Math.ceil(MINUTE / 98))
    expect(open({ type: 'sliding-counter', units: 100, windowMs: MINUTE }).available(0)).toBe(100)
  })

  test('SC3 after a burst it lets through as the provider forgets: evenly, and without an end', () => {
    const meter = open({ type: 'sliding-counter', units: 100, windowMs: MINUTE })
    meter.charge(100, 0)
    expect(meter.earliest(1, 0)).toBe(MINUTE + 600)
    expect(meter.available(MINUTE)).toBe(0)
    expect(meter.available(MINUTE + 30_000)).toBe(50)
    expect(meter.available(2 * MINUTE)).toBe(100)
  })
})

describe('slew', () => {
  const rule: Slew = { type: 'slew', units: 1_000, windowMs: MINUTE, growth: 5_000, growthMs: 900_000 }

  test('SL1 under backlog it grows by a twelfth to a quarter in 15 minutes, and the provider refuses nothing', () => {
    const jitterMs = 200
    const meter = slew(rule, jitterMs, [])
    const calls = greedy(meter, 0, 4 * 900_000, 1_000).map(({ atMs, units }, at) => ({
      atMs: atMs + (at % 2) * jitterMs,
      units,
    }))
    const provider = p.slewProvider({ threshold: 1_000, windowMs: MINUTE, growthMs: 900_000, factor: 1.5 })
    expect(calls.filter((call) => !provider(call))).toEqual([])
    const perMinute = [0, 1, 2, 3].map((quarter) => {
      const endMs = (quarter + 1) * 900_000
      return total(calls, endMs - 5 * MINUTE, endMs) / 5
    })
    expect(perMinute[0]).toBeGreaterThan(900)
    for (const [quarter, rate] of perMinute.slice(1).entries()) {
      expect(rate / (perMinute[quarter] ?? 0)).toBeGreaterThan(1.05)
      expect(rate / (perMinute[quarter] ?? 0)).toBeLessThanOrEqual(1.5)
    }
    expect((perMinute[3] ?? 0) / (perMinute[0] ?? 0)).toBeGreaterThan(1.5)
  })

  test('SL3 what has grown is lost after a pause: the threshold is what is left', () => {
    const meter = slew(rule, 0, [])
    greedy(meter, 0, 1_800_000, 1_000)
    expect(total(greedy(meter, 1_800_000, 1_800_000 + MINUTE, 1_000), 0, Infinity)).toBeGreaterThan(1_000)
    const laterMs = 1_800_000 + 20 * MINUTE
    expect(total(greedy(meter, laterMs, laterMs + MINUTE, 1_000), 0, Infinity)).toBe(1_000)
  })
})

describe('spend cap', () => {
  const cap: Limit = { type: 'spend-cap', units: 100, untilMs: 10_000 }

  test('SP1 so much until its date, and no limit from then on', () => {
    const meter = open(cap)
    meter.charge(90, 0)
    expect(meter.available(9_999)).toBe(10)
    expect(meter.earliest(11, 0)).toBe(10_000)
    meter.charge(1_000_000, 10_000)
    expect(meter.available(10_000)).toBeGreaterThanOrEqual(1_000_000)
    expect(meter.view(10_000)).toMatchObject({ used: 0, resetsAtMs: null })
  })

  test('SP1 a refund of what was charged after the date frees nothing of before', () => {
    const meter = open(cap)
    meter.charge(100, 9_000)
    meter.charge(50, 10_000)
    meter.refund(50, 10_000, 10_001)
    expect(meter.kept()).toEqual([100])
  })
})

describe('adaptive', () => {
  const limit: Adaptive = {
    type: 'adaptive',
    units: 600,
    windowMs: MINUTE,
    floor: 1_000,
    decrease: 9_000,
    increase: 500,
  }

  test('AD1 a tenth less after a throttle, a twentieth more with every window since, never above the whole', () => {
    const meter = adaptive(limit, 0, [])
    meter.slowDown?.(0, 1_000)
    expect(meter.available(1_000)).toBe(540)
    expect(meter.available(1_000 + MINUTE)).toBe(570)
    expect(meter.available(1_000 + 9 * MINUTE)).toBe(600)
    expect(meter.earliest(600, 1_000)).toBe(1_000 + 2 * MINUTE)
  })

  test('AD1 never below the floor', () => {
    const meter = adaptive(limit, 0, [])
    for (let atMs = 0; atMs < 50_000; atMs += 1_000) meter.slowDown?.(atMs, atMs + 1)
    expect(meter.available(50_000)).toBe(60)
  })

  test('AD2 a burst of refusals is one decrease, also through JSON', () => {
    const meter = adaptive(limit, 0, [])
    meter.slowDown?.(500, 1_000)
    const again = adaptive(limit, 0, JSON.parse(JSON.stringify(meter.kept())))
    for (let n = 0; n < 20; n += 1) again.slowDown?.(600 + n, 1_100 + n)
    expect(again.available(1_200)).toBe(540)
  })

  test('AD1 a provider that halves its limit unannounced refuses a few calls, then none', () => {
    const provider = p.logProvider(300, MINUTE)
    const meter = adaptive({ ...limit, increase: 1 }, 0, [])
    let refusedLate = 0
    for (let atMs = 0; atMs < 30 * MINUTE; atMs += 100) {
      if (meter.available(atMs) < 1) continue
      meter.charge(1, atMs)
      if (provider({ atMs, units: 1 })) continue
      meter.slowDown?.(atMs, atMs + 50)
      if (atMs > 20 * MINUTE) refusedLate += 1
    }
    expect(refusedLate).toBeLessThanOrEqual(10)
  })

  test('AD3 never more than its factor of the limit in any window, however late calls arrive', () => {
    const meter = adaptive(limit, 500, [])
    meter.slowDown?.(0, 0)
    const calls = greedy(meter, 0, 5 * MINUTE, 700).map(({ atMs, units }, at) => ({
      atMs: atMs + (at % 2) * 500,
      units,
    }))
    const most = Math.max(...calls.map(({ atMs }) => total(calls, atMs - MINUTE + 1, atMs + 1)))
    expect(most).toBeLessThanOrEqual(600)
    expect(total(calls, 0, MINUTE)).toBe(540)
  })
})

describe('rolling 24 hours', () => {
  test('W2 is a sliding window of a day: bounded, and at most a sixtieth of a day late', () => {
    const dayMs = 86_400_000
    const meter = open({ type: 'sliding-window', units: 200_000, windowMs: dayMs })
    const calls: p.Call[] = []
    for (let atMs = 0; atMs < 3 * dayMs; atMs += 2_000) {
      const units = Math.min(10, meter.available(atMs))
      if (units < 1) continue
      meter.charge(units, atMs)
      calls.push({ atMs, units })
    }
    expect(meter.kept().length / 2).toBeLessThanOrEqual(2_048)
    let [sum, first] = [0, 0]
    for (const { atMs, units } of calls) {
      sum += units
      for (; (calls[first]?.atMs ?? 0) <= atMs - dayMs; first += 1) sum -= calls[first]?.units ?? 0
      expect(sum).toBeLessThanOrEqual(200_000)
    }
    expect(total(calls, dayMs, 3 * dayMs)).toBeGreaterThanOrEqual(0.98 * 2 * 200_000)
  })
})

test('B1 a virtual year of one unit every 7 ms, and of 10,000 a minute, loses and gains nothing', () => {
  const yearMs = 365 * 86_400_000
  for (const [refillUnits, refillMs] of [
    [1, 7],
    [10_000, 60_000],
  ] as const) {
    const meter = open({ type: 'token-bucket', capacity: 100_000_000, refillUnits, refillMs })
    meter.charge(100_000_000, 0)
    let taken = 0
    for (let atMs = 0, stepMs = 7_001; atMs < yearMs; stepMs = 3_001 + ((stepMs * 7) % 400_009)) {
      atMs = Math.min(yearMs, atMs + stepMs)
      const units = meter.available(atMs)
      meter.charge(units, atMs)
      taken += units
    }
    expect(taken).toBe(Math.floor((yearMs * refillUnits) / refillMs))
  }
})

test('L5 a quantized window whose phase becomes known keeps what was used', () => {
  const blind: Limit = { type: 'quantized-window', units: 600, windowMs: MINUTE, stepMs: 10_000 }
  const known: Limit = { ...blind, phaseMs: 0 }
  const before = open(blind)
  before.charge(60, 1_000)
  const kept = carryOver({ before: blind, after: known, jitterMs: 0, kept: keptOf(before), atMs: 2_000 })
  const after = openMeter({ limit: known, jitterMs: 0, kept, atMs: 2_000 })
  expect(after.available(2_000)).toBe(40)
  expect(after.available(10_000)).toBe(100)
})
