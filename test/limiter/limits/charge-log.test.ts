import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { ChargeLog, LOG_ENTRIES_MAX } from '../../../limiter/limits/charge-log.ts'
import { firstTime } from '../../../limiter/limits/threshold.ts'

const KEPT_MS = 60_000
const SLOT_MS = 1_000

function newLog(kept: readonly number[] = []): ChargeLog {
  return new ChargeLog({ keptMs: KEPT_MS, slotMs: SLOT_MS }, kept)
}

type Charge = { readonly atMs: number; readonly units: number }

function within(charges: readonly Charge[], afterMs: number, untilMs: number): number {
  return charges
    .filter(({ atMs }) => atMs > afterMs && atMs <= untilMs)
    .reduce((sum, { units }) => sum + units, 0)
}

const charges = fc
  .array(fc.record({ afterMs: fc.nat({ max: 3_000 }), units: fc.nat({ max: 50 }) }), {
    minLength: 1,
    maxLength: 80,
  })
  .map((steps) => {
    let atMs = 0
    return steps.map(({ afterMs, units }): Charge => ({ atMs: (atMs += afterMs), units }))
  })

test('CL1 CL2 up to its size it is exact, for as long as it keeps charges', () => {
  fc.assert(
    fc.property(charges, fc.nat({ max: KEPT_MS }), fc.nat({ max: KEPT_MS }), (made, back, length) => {
      const log = newLog()
      for (const { atMs, units } of made) log.charge(units, atMs)
      const nowMs = made.at(-1)?.atMs ?? 0
      const afterMs = nowMs - back
      expect(log.since(afterMs)).toBe(within(made, afterMs, nowMs))
      expect(log.between(afterMs, afterMs + length)).toBe(within(made, afterMs, afterMs + length))
    }),
  )
})

test('CL1 beyond its size charges count up to a slot longer than they need, never shorter', () => {
  const log = newLog()
  const made: Charge[] = []
  for (let nth = 0; nth < 3 * LOG_ENTRIES_MAX; nth += 1) {
    const charge = { atMs: nth * 7, units: 1 + (nth % 5) }
    made.push(charge)
    log.charge(charge.units, charge.atMs)
  }
  const nowMs = made.at(-1)?.atMs ?? 0
  for (let afterMs = nowMs - KEPT_MS; afterMs <= nowMs; afterMs += 333) {
    expect(log.since(afterMs)).toBeGreaterThanOrEqual(within(made, afterMs, nowMs))
    expect(log.since(afterMs)).toBeLessThanOrEqual(within(made, afterMs - log.slotMs, nowMs))
  }
  expect(log.kept().length).toBeLessThanOrEqual(2 * LOG_ENTRIES_MAX)
})

test('CL2 a refund takes from the entry of the charge, and nothing where that is gone', () => {
  const log = newLog()
  log.charge(10, 1_000)
  log.charge(20, 2_000)
  log.refund(4, 1_000)
  expect([log.between(0, 1_000), log.since(0)]).toEqual([6, 26])
  log.refund(100, 1_000)
  expect(log.since(0)).toBe(20)
  log.refund(5, 3_000)
  expect(log.since(0)).toBe(20)
})

test('CL3 its plain form is differences of times and units, and opens as the same log', () => {
  const log = newLog()
  log.charge(10, 1_000)
  log.charge(20, 2_500)
  log.insert(7, 1_400)
  expect(log.kept()).toEqual([1_000, 10, 400, 7, 1_100, 20])
  const opened = newLog(log.kept())
  for (const afterMs of [0, 999, 1_000, 1_399, 1_400, 2_499, 2_500]) {
    expect(opened.since(afterMs)).toBe(log.since(afterMs))
  }
})

test('TH1 the first time at which something holds is found, whatever it is', () => {
  const times = fc.nat({ max: 1e9 })
  fc.assert(
    fc.property(times, times, times, (fromMs, holdsMs, moreMs) => {
      const untilMs = Math.max(fromMs, holdsMs) + moreMs
      expect(firstTime(fromMs, untilMs, (timeMs) => timeMs >= holdsMs)).toBe(Math.max(fromMs, holdsMs))
    }),
  )
})
