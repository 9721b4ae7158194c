import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Limit } from '../../../domain/limit.ts'
import { concurrency } from '../../../limiter/limits/concurrency.ts'
import type { Meter } from '../../../limiter/limits/meter.ts'
import { keptOf, openMeter } from '../../../limiter/limits/open.ts'
import { KINDS } from './kinds.ts'

const LIMITS = [
  ...Object.entries(KINDS),
  ['concurrency', { type: 'concurrency', slots: 100, per: 'unit' }] as const,
]

function take(meter: Meter, units: number, atMs: number, untilMs: number): void {
  if (meter.kind === 'rate') meter.charge(units, atMs)
  else meter.take(units, untilMs)
}

const calls = fc.array(
  fc.record({
    afterMs: fc.nat({ max: 20_000 }),
    units: fc.nat({ max: 100 }),
    leaseMs: fc.integer({ min: 1, max: 9_000 }),
  }),
  { maxLength: 30 },
)

/** A meter after some calls that fitted; leases do not end by themselves here, so slots are charged to later times. */
function lived(limit: Limit, jitterMs: number, life: { afterMs: number; units: number; leaseMs: number }[]) {
  const meter = openMeter({ limit, jitterMs, kept: [], atMs: 0 })
  let atMs = 0
  for (const { afterMs, units, leaseMs } of life) {
    if (meter.kind === 'rate') atMs += afterMs
    if (meter.available(atMs) >= units && units > 0) take(meter, units, atMs, atMs + leaseMs)
  }
  return { meter, atMs }
}

describe.each(LIMITS)('%s', (_, limit) => {
  test('L2 earliest is a threshold: it fits then, and not a millisecond before', () => {
    fc.assert(
      fc.property(fc.nat({ max: 900 }), calls, fc.integer({ min: 1, max: 90 }), (jitterMs, life, need) => {
        const { meter, atMs } = lived(limit, jitterMs, life)
        const startMs = meter.earliest(need, atMs)
        expect(startMs).not.toBeNull()
        if (startMs === null || meter.kind === 'slots') return
        expect(meter.available(startMs)).toBeGreaterThanOrEqual(need)
        expect(startMs === atMs || meter.available(startMs - 1) < need).toBe(true)
        expect(meter.available(startMs + 5_000)).toBeGreaterThanOrEqual(need)
      }),
    )
  })

  test('L3 a refund at the instant of the charge leaves it as it was', () => {
    fc.assert(
      fc.property(fc.nat({ max: 900 }), calls, fc.integer({ min: 1, max: 100 }), (jitterMs, life, units) => {
        const { meter, atMs } = lived(limit, jitterMs, life)
        if (meter.kind === 'slots') return
        const before = [0, 1_000, 60_000].map((laterMs) => meter.view(atMs + laterMs))
        meter.charge(units, atMs)
        meter.refund(units, atMs, atMs)
        expect([0, 1_000, 60_000].map((laterMs) => meter.view(atMs + laterMs))).toEqual(before)
      }),
    )
  })

  test('L4 opened on what it kept, through JSON, it answers the same', () => {
    fc.assert(
      fc.property(fc.nat({ max: 900 }), calls, (jitterMs, life) => {
        const { meter, atMs } = lived(limit, jitterMs, life)
        if (meter.kind === 'slots') return
        const kept: readonly number[] = JSON.parse(JSON.stringify(keptOf(meter)))
        const again = openMeter({ limit, jitterMs, kept, atMs })
        expect(again.view(atMs + 700)).toEqual(meter.view(atMs + 700))
        expect(again.earliest(50, atMs)).toBe(meter.earliest(50, atMs))
        expect(keptOf(again)).toEqual(keptOf(meter))
      }),
    )
  })

  test('J2 spare is exactly what may be taken without moving the start of another', () => {
    expect.hasAssertions()
    fc.assert(
      fc.property(fc.nat({ max: 900 }), calls, fc.integer({ min: 1, max: 90 }), (jitterMs, life, need) => {
        const spareAfter = (extra: number): number | null => {
          const { meter, atMs } = lived(limit, jitterMs, life)
          if (extra > 0) take(meter, extra, atMs, atMs + 60_000)
          return meter.earliest(need, atMs)
        }
        const { meter, atMs } = lived(limit, jitterMs, life)
        const etaMs = meter.earliest(need, atMs)
        if (etaMs === null) return
        const spare = meter.spare(need, etaMs, { atMs, untilMs: atMs + 60_000 })
        const most = Math.min(spare, meter.available(atMs))
        expect(most <= 0 ? etaMs : spareAfter(most)).toBe(etaMs)
        expect(spare < meter.available(atMs) && spareAfter(spare + 1) === etaMs).toBe(false)
      }),
    )
  })
})

test('N2 the earliest start behind slots is when enough leases have ended', () => {
  const meter = concurrency({ type: 'concurrency', slots: 3, per: 'reservation' })
  meter.take(1, 1_000)
  meter.take(1, 3_000)
  meter.take(1, 2_000)
  expect(meter.earliest(1, 0)).toBe(1_000)
  expect(meter.earliest(2, 0)).toBe(2_000)
  meter.free(1, 1_000)
  expect(meter.earliest(1, 0)).toBe(0)
  expect(meter.earliest(2, 0)).toBe(2_000)
  expect(meter.soonest(1, 0, 0)).toBe(0)
})

test('L3 slots that are given back at once leave it as it was', () => {
  const meter = concurrency({ type: 'concurrency', slots: 3, per: 'unit' })
  meter.take(1, 1_000)
  meter.take(2, 500)
  meter.free(2, 500)
  expect(meter.earliest(3, 0)).toBe(1_000)
  expect(meter.available(0)).toBe(2)
})
