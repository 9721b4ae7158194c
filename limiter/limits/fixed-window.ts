// Fixed window: at most `units` per calendar period of a time zone.
//
// F1  Charges of one period never exceed the limit by a grant; at the period's end the count starts anew.
// F2  Mirrored for a delay of 0 to J: a charge in the last J of a period may arrive in the next one, so it counts in both;
//     J is at most one period (the shortest is a minute).
// F3  The period is worked out once and kept; the calendar is asked again only when it has ended.

import { periodEnd } from '../../domain/calendar.ts'
import { sizeOfLimit, type Limit } from '../../domain/limit.ts'
import type { RateMeter } from './meter.ts'

type Fixed = Extract<Limit, { type: 'fixed-window' }>

/** Counts of a period: `ahead` is the part of `used` that counts in the next period too (F2). */
type Period = { readonly endMs: number; readonly used: number; readonly ahead: number }

export function fixedWindow(limit: Fixed, jitterMs: number, kept: readonly number[]): RateMeter {
  const calendar = { period: limit.period, timezone: limit.timezone }
  const [used = 0, ahead = 0, endMs = 0] = kept
  let current: Period = { endMs, used, ahead }
  let upcoming: { readonly fromMs: number; readonly period: Period } | null = null

  /** The period that holds `whenMs`; asking never changes what is kept. */
  function at(whenMs: number): Period {
    if (whenMs < current.endMs) return current
    if (upcoming !== null && whenMs >= upcoming.fromMs && whenMs < upcoming.period.endMs) {
      return upcoming.period
    }
    const endMs = periodEnd(calendar, whenMs)
    const isNext = current.endMs > 0 && periodEnd(calendar, current.endMs) === endMs
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
    return limit.units - at(whenMs).used
  }

  function earliest(need: number, whenMs: number): number {
    const period = at(whenMs)
    if (period.used + need <= limit.units) return whenMs
    let startMs = period.endMs
    let left = need - Math.max(0, limit.units - period.used)
    if (need <= limit.units) {
      return period.ahead + need <= limit.units ? startMs : periodEnd(calendar, startMs)
    }
    for (let cycle = 0; left > limit.units && cycle < FORECAST_PERIODS_MAX; cycle += 1) {
      left -= limit.units
      startMs = periodEnd(calendar, startMs)
    }
    return startMs
  }

  return {
    kind: 'rate',
    size: sizeOfLimit(limit, jitterMs),
    countsUnits: true,
    available,
    earliest,
    soonest: (need, inFlight, whenMs) => earliest(Math.max(0, need - inFlight), whenMs),
    spare(need, etaMs, use) {
      const period = at(use.atMs)
      if (etaMs < period.endMs) return limit.units - need - period.used
      if (!isTail(period, use.atMs) || etaMs >= periodEnd(calendar, period.endMs))
        return Number.POSITIVE_INFINITY
      return limit.units - need - period.ahead
    },
    charge(units, whenMs) {
      const period = at(whenMs)
      const ahead = isTail(period, whenMs) ? period.ahead + units : period.ahead
      enter({ endMs: period.endMs, used: period.used + units, ahead })
    },
    refund(units, chargedAtMs, whenMs) {
      const period = at(whenMs)
      const endMs = periodEnd(calendar, chargedAtMs)
      const wasTail = chargedAtMs >= endMs - jitterMs
      if (endMs === period.endMs) {
        const ahead = wasTail ? Math.max(0, period.ahead - units) : period.ahead
        enter({ endMs, used: Math.max(0, period.used - units), ahead })
      } else if (wasTail && periodEnd(calendar, endMs) === period.endMs) {
        enter({ ...period, used: Math.max(0, period.used - units) })
      }
    },
    kept: () => [current.used, current.ahead, current.endMs],
    view(whenMs) {
      const { used, endMs } = at(whenMs)
      return {
        type: 'fixed-window',
        limit: limit.units,
        used,
        remaining: limit.units - used,
        resetsAtMs: endMs,
      }
    },
  }
}

/** A forecast looks no further than this many periods. */
const FORECAST_PERIODS_MAX = 64
