// Fixed windows of a known phase: at most `units` per calendar period, per window of the clock, or per step of one.
//
// F1  Charges of one period never exceed the limit by a grant; at the period's end the count starts anew.
// F2  Mirrored for a delay of 0 to J: a charge in the last J of a period may arrive in the next one, so it counts in both;
//     J is at most one period.
//     Nobody has to wait for the end of a period: what is granted early is taken from the next one, never added.
// F3  The period is worked out once and kept; the calendar is asked again only when it has ended.

import { periodEnd } from '../../domain/calendar.ts'
import {
  countsUnits,
  sizeOfLimit,
  stepUnitsOf,
  type ClockWindow,
  type FixedWindow,
  type QuantizedWindow,
} from '../../domain/limit.ts'
import type { RateMeter } from './meter.ts'

export type Fixed = FixedWindow | ClockWindow | (QuantizedWindow & { readonly phaseMs: number })

/** First instant after the period that holds `atMs`. */
export function endOfPeriod(limit: Fixed, atMs: number): number {
  switch (limit.type) {
    case 'fixed-window':
      return periodEnd(limit, atMs)
    case 'clock-window':
      return endOfWindow(atMs, limit.windowMs, limit.phaseMs)
    case 'quantized-window':
      return endOfWindow(atMs, limit.stepMs, limit.phaseMs)
    default:
      return limit satisfies never
  }
}

function endOfWindow(atMs: number, windowMs: number, phaseMs: number): number {
  return phaseMs + (Math.floor((atMs - phaseMs) / windowMs) + 1) * windowMs
}

/** Counts of a period: `ahead` is the part of `used` that counts in the next period too (F2). */
type Period = { readonly endMs: number; readonly used: number; readonly ahead: number }

export function fixedWindow(limit: Fixed, jitterMs: number, kept: readonly number[]): RateMeter {
  const size = limit.type === 'quantized-window' ? stepUnitsOf(limit) : limit.units
  const [used = 0, ahead = 0, endMs = 0] = kept
  let current: Period = { endMs, used, ahead }
  let upcoming: { readonly fromMs: number; readonly period: Period } | null = null

  /** The period that holds `whenMs`; asking never changes what is kept. */
  function at(whenMs: number): Period {
    if (whenMs < current.endMs) return current
    if (upcoming !== null && whenMs >= upcoming.fromMs && whenMs < upcoming.period.endMs) {
      return upcoming.period
    }
    const endMs = endOfPeriod(limit, whenMs)
    const isNext = current.endMs > 0 && endOfPeriod(limit, current.endMs) === endMs
    upcoming = { fromMs: whenMs, period: { endMs, used: isNext ? current.ahead : 0, ahead: 0 } }
    return upcoming.period
  }

  function enter(period: Period): void {
    current = period
    upcoming = null
  }

  function isTail(period: Period, whenMs: number): boolean {
    return whenMs >= period.endMs - jitterMs
  }

  function available(whenMs: number): number {
    // `ahead` never exceeds `used`, so the current period binds in the tail as well.
    return size - at(whenMs).used
  }

  function earliest(need: number, whenMs: number): number {
    const period = at(whenMs)
    if (period.used + need <= size) return whenMs
    let startMs = period.endMs
    let left = need - Math.max(0, size - period.used)
    if (need <= size) {
      return period.ahead + need <= size ? startMs : endOfPeriod(limit, startMs)
    }
    for (let cycle = 0; left > size && cycle < FORECAST_PERIODS_MAX; cycle += 1) {
      left -= size
      startMs = endOfPeriod(limit, startMs)
    }
    return startMs
  }

  return {
    kind: 'rate',
    size: sizeOfLimit(limit, jitterMs),
    countsUnits: countsUnits(limit),
    available,
    earliest,
    soonest: (need, inFlight, whenMs) => earliest(Math.max(0, need - inFlight), whenMs),
    spare(need, etaMs, use) {
      const period = at(use.atMs)
      if (etaMs < period.endMs) return size - need - period.used
      if (!isTail(period, use.atMs) || etaMs >= endOfPeriod(limit, period.endMs))
        return Number.POSITIVE_INFINITY
      return size - need - period.ahead
    },
    charge(units, whenMs) {
      const period = at(whenMs)
      const ahead = isTail(period, whenMs) ? period.ahead + units : period.ahead
      enter({ endMs: period.endMs, used: period.used + units, ahead })
    },
    refund(units, chargedAtMs, whenMs) {
      const period = at(whenMs)
      const endMs = endOfPeriod(limit, chargedAtMs)
      const wasTail = chargedAtMs >= endMs - jitterMs
      if (endMs === period.endMs) {
        const ahead = wasTail ? Math.max(0, period.ahead - units) : period.ahead
        enter({ endMs, used: Math.max(0, period.used - units), ahead })
      } else if (wasTail && endOfPeriod(limit, endMs) === period.endMs) {
        enter({ ...period, used: Math.max(0, period.used - units) })
      }
    },
    counted: (sinceMs, whenMs) => (endOfPeriod(limit, sinceMs) === at(whenMs).endMs ? at(whenMs).used : null),
    occupy(units, _untilMs, whenMs) {
      const period = at(whenMs)
      enter({ ...period, used: period.used + units })
    },
    kept: () => [current.used, current.ahead, current.endMs],
    view(whenMs) {
      const { used, endMs } = at(whenMs)
      return {
        type: limit.type,
        limit: size,
        used,
        remaining: size - used,
        resetsAtMs: endMs,
      }
    },
  }
}

/** A forecast looks no further than this many periods. */
const FORECAST_PERIODS_MAX = 64
