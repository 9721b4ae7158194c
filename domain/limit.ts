// How a resource is limited, in the provider's own model. Units are integers, times are milliseconds.

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

/** The most that a limit admits at once, mirrored for a delay of 0 to `jitterMs`: more is impossible. */
export function sizeOfLimit(limit: Limit, jitterMs: number): number {
  switch (limit.type) {
    case 'token-bucket': {
      const refillMs = BigInt(limit.refillMs)
      const drained = (BigInt(limit.refillUnits) * BigInt(jitterMs) + refillMs - 1n) / refillMs
      return Math.max(0, limit.capacity - Number(drained))
    }
    case 'sliding-window':
    case 'fixed-window':
      return limit.units
    case 'concurrency':
      return limit.slots
    default:
      return limit satisfies never
  }
}
