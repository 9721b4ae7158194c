// What a limit admits in the long run, and for how long it remembers.

import { periodMsOf, type Limit } from './limit.ts'

/** `units` per `perMs`, in the limit's own units; null where it has no rate. */
export function rateOf(limit: Limit): { readonly units: number; readonly perMs: number } | null {
  switch (limit.type) {
    case 'token-bucket':
      return { units: limit.refillUnits, perMs: limit.refillMs }
    case 'fixed-window':
      return { units: limit.units, perMs: periodMsOf(limit.period) }
    case 'sliding-window':
    case 'first-hit-window':
    case 'sliding-counter':
    case 'clock-window':
    case 'quantized-window':
    case 'slew':
    case 'adaptive':
      return { units: limit.units, perMs: limit.windowMs }
    case 'spend-cap':
    case 'concurrency':
      return null
    default:
      return limit satisfies never
  }
}

/** How long a use counts at most, apart from the delay. */
export function memoryMsOf(limit: Limit): number {
  switch (limit.type) {
    case 'token-bucket':
      return Math.ceil((limit.capacity * limit.refillMs) / limit.refillUnits)
    case 'sliding-window':
    case 'first-hit-window':
    case 'clock-window':
    case 'quantized-window':
    case 'adaptive':
      return limit.windowMs
    case 'sliding-counter':
      return 2 * limit.windowMs
    case 'slew':
      return 5 * limit.windowMs + limit.growthMs
    case 'fixed-window':
      return LONGEST_PERIOD_FACTOR * periodMsOf(limit.period)
    case 'spend-cap':
      return CAP_MEMORY_MS
    case 'concurrency':
      return 0
    default:
      return limit satisfies never
  }
}

/** Months of 31 days and days of 25 hours are longer than the usual ones. */
const LONGEST_PERIOD_FACTOR = 1.05
/** Longer than a year: what was spent before is a matter of the ledger. */
const CAP_MEMORY_MS = 400 * 86_400_000
