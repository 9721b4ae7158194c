import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type { SlidingCounter } from '../../../domain/limit.ts'
import { slidingCounter } from '../../../limiter/limits/sliding-counter.ts'
import { runs } from '../../support/runs.ts'

const WINDOW_MS = 10_000
const UNITS = 1_000

type Charge = { readonly atMs: number; readonly units: number }

function meterOf(charges: readonly Charge[], jitterMs: number, phaseMs?: number) {
  const limit: SlidingCounter = {
    type: 'sliding-counter',
    units: UNITS,
    windowMs: WINDOW_MS,
    ...(phaseMs !== undefined && { phaseMs }),
  }
  const meter = slidingCounter(limit, jitterMs, [], 0)
  for (const { atMs, units } of charges) meter.charge(units, atMs)
  return meter
}

/** What a provider whose window began at `boundaryMs` counts at `nowMs`: the window whole, the one before by its weight. */
function countedBy(arrivals: readonly Charge[], boundaryMs: number, nowMs: number): number {
  const sum = (fromMs: number, untilMs: number) =>
    arrivals
      .filter(({ atMs }) => atMs >= fromMs && atMs < untilMs)
      .reduce((total, { units }) => total + units, 0)
  const weight = (boundaryMs + WINDOW_MS - nowMs) / WINDOW_MS
  return sum(boundaryMs, nowMs + 1) + sum(boundaryMs - WINDOW_MS, boundaryMs) * weight
}

const charges = fc
  .array(fc.record({ afterMs: fc.nat({ max: 2_500 }), units: fc.integer({ min: 1, max: 20 }) }), {
    minLength: 1,
    maxLength: 30,
  })
  .map((steps) => {
    let atMs = 0
    return steps.map(({ afterMs, units }): Charge => ({ atMs: (atMs += afterMs), units }))
  })

test('SC1 SC4 where nobody knows when windows begin, it counts what the worst of all beginnings counts, rounded up', () => {
  fc.assert(
    fc.property(charges, fc.nat({ max: 12_000 }), (made, laterMs) => {
      const nowMs = (made.at(-1)?.atMs ?? 0) + laterMs
      let worst = 0
      for (let boundaryMs = nowMs - WINDOW_MS + 1; boundaryMs <= nowMs; boundaryMs += 1) {
        worst = Math.max(worst, countedBy(made, boundaryMs, nowMs))
      }
      expect(meterOf(made, 0).view(nowMs).used).toBe(Math.ceil(worst - 1e-9))
    }),
    runs(25),
  )
})

test('SC2 a grant counts on the side of a boundary that is worse for it, wherever in 0 to J it arrives', () => {
  fc.assert(
    fc.property(
      charges,
      fc.array(fc.nat({ max: 700 }), { minLength: 30, maxLength: 30 }),
      fc.nat({ max: WINDOW_MS - 1 }),
      (made, delays, phaseMs) => {
        const arrivals = made.map(({ atMs, units }, nth) => ({ atMs: atMs + (delays[nth] ?? 0), units }))
        const nowMs = Math.max(...arrivals.map(({ atMs }) => atMs))
        const boundaryMs = nowMs - ((((nowMs - phaseMs) % WINDOW_MS) + WINDOW_MS) % WINDOW_MS)
        const counted = countedBy(arrivals, boundaryMs, nowMs)
        for (const meter of [meterOf(made, 700, phaseMs), meterOf(made, 700)]) {
          expect(meter.view(nowMs).used).toBeGreaterThanOrEqual(counted - 1e-9)
        }
      },
    ),
  )
})
