// How a resource is limited, in the provider's own model. Units are integers, times are milliseconds.
//
// SZ1  The size of a limit is the most that it admits at once, mirrored for J: more can never be admitted.
// SZ2  The parts that are cut out of a limit and the rest add up to it exactly.

import { assert, multiplyDivideUp } from './arithmetic.ts'

export type CalendarPeriod = 'minute' | 'hour' | 'day' | 'month'

/**
 * `token-bucket`: at most `capacity` at once, refilled by `refillUnits` every `refillMs`, continuously.
 * `sliding-window`: at most `units` in every window of `windowMs`, wherever it begins.
 * `fixed-window`: at most `units` per calendar period in `timezone` (an IANA name).
 * `concurrency`: at most `slots` in flight; a reservation takes one slot, or its units where `per` is `unit`.
 */
export type Limit =
  | {
      readonly type: 'token-bucket'
      readonly capacity: number
      readonly refillUnits: number
      readonly refillMs: number
    }
  | { readonly type: 'sliding-window'; readonly units: number; readonly windowMs: number }
  | {
      readonly type: 'fixed-window'
      readonly units: number
      readonly period: CalendarPeriod
      readonly timezone: string
    }
  | { readonly type: 'concurrency'; readonly slots: number; readonly per: 'reservation' | 'unit' }

const PERIOD_MS: Readonly<Record<CalendarPeriod, number>> = {
  minute: 60_000,
  hour: 3_600_000,
  day: 86_400_000,
  month: 2_592_000_000,
}

/** Usual length of a calendar period: days of 24 hours, months of 30 days. */
export function periodMsOf(period: CalendarPeriod): number {
  return PERIOD_MS[period]
}

/** What one demand of `units` takes of a limit, in the limit's own units. */
export function needOfLimit(limit: Limit, units: number): number {
  return limit.type === 'concurrency' && limit.per === 'reservation' ? 1 : units
}

/** The most that a limit admits at once, mirrored for a delay of 0 to `jitterMs` (SZ1). */
export function sizeOfLimit(limit: Limit, jitterMs: number): number {
  switch (limit.type) {
    case 'token-bucket':
      return Math.max(0, limit.capacity - multiplyDivideUp(limit.refillUnits, jitterMs, limit.refillMs))
    case 'sliding-window':
    case 'fixed-window':
      return limit.units
    case 'concurrency':
      return limit.slots
    default:
      return limit satisfies never
  }
}

/** Parts are counted in ten-thousandths of a limit. */
export const PARTS_PER_WHOLE = 10_000

/** The part of a limit, rounded down; a refill rate is exact. */
export function partOfLimit(limit: Limit, part: number): Limit {
  switch (limit.type) {
    case 'token-bucket':
      return {
        ...limit,
        capacity: partOf(limit.capacity, part),
        refillUnits: limit.refillUnits * part,
        refillMs: limit.refillMs * PARTS_PER_WHOLE,
      }
    case 'sliding-window':
      return { ...limit, units: partOf(limit.units, part) }
    case 'fixed-window':
      return { ...limit, units: partOf(limit.units, part) }
    case 'concurrency':
      return { ...limit, slots: partOf(limit.slots, part) }
    default:
      return limit satisfies never
  }
}

/** What is left of `rest` when a part of the whole limit is cut out (SZ2). */
export function restOfLimit(rest: Limit, whole: Limit, part: number): Limit {
  const out = partOfLimit(whole, part)
  if (rest.type === 'token-bucket' && out.type === 'token-bucket') {
    const refill = rest.refillMs === out.refillMs ? rest.refillUnits : rest.refillUnits * PARTS_PER_WHOLE
    return { ...out, capacity: rest.capacity - out.capacity, refillUnits: refill - out.refillUnits }
  }
  if (rest.type === 'concurrency' && out.type === 'concurrency')
    return { ...rest, slots: rest.slots - out.slots }
  assert('units' in rest && 'units' in out, 'a limit and its part are of one type')
  return { ...rest, units: rest.units - out.units }
}

function partOf(units: number, part: number): number {
  return Math.floor((units * part) / PARTS_PER_WHOLE)
}
