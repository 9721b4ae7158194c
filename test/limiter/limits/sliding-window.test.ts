import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type { RateMeter } from '../../../limiter/limits/meter.ts'
import { LOG_ENTRIES_MAX } from '../../../limiter/limits/charge-log.ts'
import { slidingWindow } from '../../../limiter/limits/sliding-window.ts'

function open(units: number, windowMs: number, jitterMs = 0, kept: readonly number[] = []): RateMeter {
  return slidingWindow({ type: 'sliding-window', units, windowMs }, jitterMs, kept)
}

type Arrival = { readonly atMs: number; readonly units: number }

function mostIn(arrivals: readonly Arrival[], windowMs: number): number {
  const sorted = arrivals.toSorted((a, b) => a.atMs - b.atMs)
  let [most, sum, first] = [0, 0, 0]
  for (const { atMs, units } of sorted) {
    sum += units
    for (; (sorted[first]?.atMs ?? 0) <= atMs - windowMs; first += 1) sum -= sorted[first]?.units ?? 0
    most = Math.max(most, sum)
  }
  return most
}

/** Takes all it gets in sizes of 50 to 450 for some minutes; what it took arrives up to 2 s later. */
function greedy(meter: RateMeter): readonly Arrival[] {
  const arrivals: Arrival[] = []
  let seed = 7
  for (let atMs = 0; atMs < 600_000; atMs += 40) {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
    const units = 50 + (seed % 401)
    if (meter.available(atMs) < units) continue
    meter.charge(units, atMs)
    // The worst that a delay may do: late in one window, early in the next.
    arrivals.push({ atMs: atMs + (Math.floor(atMs / 60_000) % 2 === 0 ? 2_000 : 0), units })
  }
  return arrivals
}

test('vector 12 (own): with 0 to 2 s of delay a window over W + J keeps 10,000 per minute at the provider', () => {
  expect(mostIn(greedy(open(10_000, 60_000, 2_000)), 60_000)).toBeLessThanOrEqual(10_000)
})

test('vector 12 (anti): a window without J is caught by the same referee', () => {
  expect(mostIn(greedy(open(10_000, 60_000)), 60_000)).toBeGreaterThan(10_000)
})

test('W1 a charge counts for exactly the window', () => {
  const meter = open(10, 1_000)
  meter.charge(10, 0)
  expect(meter.available(999)).toBe(0)
  expect(meter.available(1_000)).toBe(10)
  expect(meter.earliest(1, 0)).toBe(1_000)
  expect(meter.view(0)).toEqual({
    type: 'sliding-window',
    limit: 10,
    used: 10,
    remaining: 0,
    resetsAtMs: 1_000,
  })
})

test('W2 beyond the log, charges count up to a slot longer and never shorter', () => {
  const windowMs = 60_000
  const meter = open(1_000_000, windowMs)
  const charges: Arrival[] = []
  for (let atMs = 0; atMs < 2 * windowMs; atMs += 13) {
    meter.charge(1, atMs)
    charges.push({ atMs, units: 1 })
  }
  expect(meter.kept().length / 2).toBeLessThanOrEqual(LOG_ENTRIES_MAX)
  for (let atMs = 2 * windowMs; atMs < 3 * windowMs; atMs += 250) {
    const exact = charges.filter((charge) => charge.atMs > atMs - windowMs).length
    const longer = charges.filter((charge) => charge.atMs > atMs - windowMs - 1_000).length
    expect(meter.view(atMs).used).toBeGreaterThanOrEqual(exact)
    expect(meter.view(atMs).used).toBeLessThanOrEqual(longer)
  }
})

test('W2 a slotted window under backlog still uses at least 98 % of the limit', () => {
  const meter = open(100_000, 60_000)
  let granted = 0
  for (let atMs = 0; atMs < 600_000; atMs += 1) {
    const units = Math.min(meter.available(atMs), 2)
    if (units < 1) continue
    meter.charge(units, atMs)
    granted += units
  }
  expect(granted).toBeGreaterThanOrEqual(0.98 * 10 * 100_000)
})

test('W3 a refund takes from the entry of the charge, and nothing once that has rolled off', () => {
  const meter = open(100, 1_000)
  meter.charge(60, 0)
  meter.charge(30, 500)
  meter.refund(40, 0, 600)
  expect(meter.available(600)).toBe(50)
  expect(meter.available(1_000)).toBe(70)
  meter.refund(20, 0, 1_000)
  expect(meter.available(1_000)).toBe(70)
})

test('W3 a refund of what became part of a slot is given back', () => {
  const meter = open(1_000_000, 60_000)
  for (let at = 0; at <= LOG_ENTRIES_MAX; at += 1) meter.charge(10, at)
  const before = meter.available(3_000)
  meter.refund(10, 700, 3_000)
  expect(meter.available(3_000)).toBe(before + 10)
})

test('L4 opened on what it kept, it answers the same', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat({ max: 400 }), fc.nat({ max: 9 })), { maxLength: 50 }),
      fc.nat({ max: 3_000 }),
      (calls, laterMs) => {
        const meter = open(100, 1_000, 50)
        let atMs = 0
        for (const [afterMs, units] of calls) {
          atMs += afterMs
          meter.charge(units, atMs)
        }
        const again = open(100, 1_000, 50, meter.kept())
        expect(again.view(atMs + laterMs)).toEqual(meter.view(atMs + laterMs))
        expect(again.kept()).toEqual(meter.kept())
      },
    ),
  )
})
