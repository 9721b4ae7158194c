import { expect, test } from 'vitest'
import type { CalendarPeriod } from '../../../domain/limit.ts'
import { fixedWindow } from '../../../limiter/limits/fixed-window.ts'
import type { RateMeter } from '../../../limiter/limits/meter.ts'

function open(units: number, period: CalendarPeriod, timezone = 'UTC', jitterMs = 0): RateMeter {
  return fixedWindow({ type: 'fixed-window', units, period, timezone }, jitterMs, [])
}

const HOUR = 3_600_000

test('F1 the count starts anew with the period, and what is left of one is not left to the next', () => {
  const meter = open(10, 'minute')
  meter.charge(10, 59_999)
  expect(meter.available(59_999)).toBe(0)
  expect(meter.earliest(1, 59_999)).toBe(60_000)
  expect(meter.available(60_000)).toBe(10)
  expect(meter.available(600_000)).toBe(10)
  expect(meter.view(59_999).resetsAtMs).toBe(60_000)
})

test('F1 a day of a time zone ends at its midnight, also when it has 23 or 25 hours', () => {
  // Berlin: summer time begins on 29 March 2026 and ends on 25 October 2026, both at 01:00 UTC.
  const spring = open(5, 'day', 'Europe/Berlin')
  const springMidnight = Date.UTC(2026, 2, 28, 23)
  spring.charge(5, springMidnight)
  expect(spring.earliest(1, springMidnight)).toBe(springMidnight + 23 * HOUR)
  const autumn = open(5, 'day', 'Europe/Berlin')
  const autumnMidnight = Date.UTC(2026, 9, 24, 22)
  autumn.charge(5, autumnMidnight)
  expect(autumn.earliest(1, autumnMidnight)).toBe(autumnMidnight + 25 * HOUR)
})

test('F2 what is granted in the last J counts in both periods, so neither is exceeded however late it arrives', () => {
  const meter = open(10, 'minute', 'UTC', 2_000)
  meter.charge(4, 10_000)
  meter.charge(6, 59_000)
  expect(meter.available(60_000)).toBe(4)
  expect(meter.earliest(5, 60_000)).toBe(120_000)
  meter.charge(4, 60_000)
  expect(meter.available(60_500)).toBe(0)
  expect(meter.available(120_000)).toBe(10)
})

test('F2 a refund of a grant that counts in both periods comes back in both', () => {
  const meter = open(10, 'minute', 'UTC', 2_000)
  meter.charge(6, 59_000)
  meter.refund(6, 59_000, 61_000)
  expect(meter.available(61_000)).toBe(10)
  const sooner = open(10, 'minute', 'UTC', 2_000)
  sooner.charge(6, 59_000)
  sooner.refund(6, 59_000, 59_500)
  expect(sooner.available(59_500)).toBe(10)
  expect(sooner.available(60_000)).toBe(10)
})

test('F1 a refund of an earlier period changes nothing now', () => {
  const meter = open(10, 'minute')
  meter.charge(6, 30_000)
  meter.charge(5, 61_000)
  meter.refund(6, 30_000, 62_000)
  expect(meter.available(62_000)).toBe(5)
})

test('F1 more than a period holds is foreseen over the next ones', () => {
  const meter = open(10, 'minute')
  meter.charge(4, 0)
  expect(meter.earliest(6, 0)).toBe(0)
  expect(meter.earliest(16, 0)).toBe(60_000)
  expect(meter.earliest(17, 0)).toBe(120_000)
})

test('F3 asking about a later period does not end the current one', () => {
  const meter = open(10, 'minute')
  meter.charge(7, 0)
  expect(meter.available(60_000)).toBe(10)
  expect(meter.available(59_000)).toBe(3)
  expect(meter.kept()).toEqual([7, 0, 60_000])
})
