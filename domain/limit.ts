// How a resource is limited, in the provider's own model. Units are integers, times are milliseconds.
//
// SZ1  The size of a limit is the most that it admits at once, mirrored for J: more can never be admitted.
// SZ2  The parts that are cut out of a limit and the rest add up to it exactly.

import { assert, multiplyDivide, multiplyDivideUp } from './arithmetic.ts'

export type CalendarPeriod = 'minute' | 'hour' | 'day' | 'month'

/** What is counted: the units of a reservation (left out: this), or the reservation as one. */
type Counting = { readonly per?: 'unit' | 'reservation' }

/** At most `capacity` at once, refilled by `refillUnits` every `refillMs`, continuously. */
export type TokenBucket = Counting & {
  readonly type: 'token-bucket'
  readonly capacity: number
  readonly refillUnits: number
  readonly refillMs: number
}

/**
 * `sliding-window`: at most `units` in every window of `windowMs`, wherever it begins.
 * `first-hit-window`: at most `units` in a window that begins with the first charge after the last one ended.
 */
export type Window = Counting & {
  readonly type: 'sliding-window' | 'first-hit-window'
  readonly units: number
  readonly windowMs: number
}

/**
 * At most `units` by two counters: those of the current window of `windowMs`, and those of the one before weighted by
 * how much of it is still within `windowMs`. Windows begin at `phaseMs` after full ones since the epoch; left out:
 * nobody knows when.
 */
export type SlidingCounter = Counting & {
  readonly type: 'sliding-counter'
  readonly units: number
  readonly windowMs: number
  readonly phaseMs?: number
}

/** At most `units` per calendar period in `timezone` (an IANA name). */
export type FixedWindow = Counting & {
  readonly type: 'fixed-window'
  readonly units: number
  readonly period: CalendarPeriod
  readonly timezone: string
}

/** At most `units` in each window of `windowMs`; windows begin at `phaseMs` after full ones since the epoch. */
export type ClockWindow = Counting & {
  readonly type: 'clock-window'
  readonly units: number
  readonly windowMs: number
  readonly phaseMs: number
}

/** `units` per `windowMs`, checked as their part in every step of `stepMs`; `phaseMs` of the steps as above. */
export type QuantizedWindow = Counting & {
  readonly type: 'quantized-window'
  readonly units: number
  readonly windowMs: number
  readonly stepMs: number
  readonly phaseMs?: number
}

/**
 * Up to `units` per `windowMs` at any time; above that, at most `growth` (parts per 10,000) more than in the busiest
 * window of about `growthMs` before.
 */
export type Slew = Counting & {
  readonly type: 'slew'
  readonly units: number
  readonly windowMs: number
  readonly growth: number
  readonly growthMs: number
}

/** At most `units` until a date, and no limit from then on. */
export type SpendCap = Counting & {
  readonly type: 'spend-cap'
  readonly units: number
  readonly untilMs: number
}

/**
 * A limit that nobody tells: a part of `units` per `windowMs` that is multiplied by `decrease` when the provider
 * throttles, and grows by `increase` with every window without; never below `floor`. All are parts per 10,000.
 */
export type Adaptive = Counting & {
  readonly type: 'adaptive'
  readonly units: number
  readonly windowMs: number
  readonly floor: number
  readonly decrease: number
  readonly increase: number
}

/** At most `slots` in flight; a reservation takes one slot, or its units where `per` is `unit`. */
export type Concurrency = {
  readonly type: 'concurrency'
  readonly slots: number
  readonly per: 'reservation' | 'unit'
}

export type Limit =
  | TokenBucket
  | Window
  | SlidingCounter
  | FixedWindow
  | ClockWindow
  | QuantizedWindow
  | Slew
  | SpendCap
  | Adaptive
  | Concurrency

export const LIMIT_TYPES = [
  'token-bucket',
  'sliding-window',
  'first-hit-window',
  'sliding-counter',
  'fixed-window',
  'clock-window',
  'quantized-window',
  'slew',
  'spend-cap',
  'adaptive',
  'concurrency',
] as const satisfies readonly Limit['type'][]

/** What is left out takes these. */
export const LIMIT_DEFAULTS = {
  slew: { growth: 5_000, growthMs: 900_000 },
  adaptive: { floor: 1_000, decrease: 9_000, increase: 100 },
} as const

/** The most units that one demand may name, so that sums and products of them stay exact. */
export const UNITS_MAX = 1_000_000_000_000

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

export function countsUnits({ per = 'unit' }: Limit): boolean {
  return per === 'unit'
}

/** What one demand of `units` takes of a limit, in the limit's own units. */
export function needOfLimit(limit: Limit, units: number): number {
  return countsUnits(limit) ? units : 1
}

/** The units that a quantized window admits in one step, rounded down. */
export function stepUnitsOf({ units, stepMs, windowMs }: QuantizedWindow): number {
  return multiplyDivide(units, stepMs, 0, windowMs).quotient
}

/** The size that a provider tells of such a limit in its headers; null where it tells none. */
export function amountOfLimit(limit: Limit): number | null {
  switch (limit.type) {
    case 'token-bucket':
      return limit.capacity
    case 'slew':
    case 'spend-cap':
    case 'concurrency':
      return null
    default:
      return limit.units
  }
}

/** The most that a limit admits at once, mirrored for a delay of 0 to `jitterMs` (SZ1). */
export function sizeOfLimit(limit: Limit, jitterMs: number): number {
  switch (limit.type) {
    case 'token-bucket':
      return Math.max(0, limit.capacity - multiplyDivideUp(limit.refillUnits, jitterMs, limit.refillMs))
    case 'sliding-window':
    case 'first-hit-window':
    case 'sliding-counter':
    case 'fixed-window':
    case 'clock-window':
    case 'slew':
    case 'adaptive':
      return limit.units
    case 'quantized-window':
      return stepUnitsOf(limit)
    case 'spend-cap':
      // Its date comes, and then nothing is too much.
      return UNITS_MAX
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
    case 'slew':
      throw new Error('a slew limit holds for the whole: what one part grows by depends on the others')
    case 'sliding-window':
    case 'first-hit-window':
    case 'sliding-counter':
    case 'fixed-window':
    case 'clock-window':
    case 'quantized-window':
    case 'spend-cap':
    case 'adaptive':
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
