// Spend cap: at most `units` until a date, and no limit from then on.
//
// SP1  Charges before the date never exceed the cap by a grant. A delay needs no mirror: what is granted before the date
//      counts, whether or not it arrives before it, and what is granted from then on arrives after it.

import { countsUnits, sizeOfLimit, UNITS_MAX, type SpendCap } from '../../domain/limit.ts'
import type { RateMeter } from './meter.ts'

export function spendCap(limit: SpendCap, kept: readonly number[]): RateMeter {
  const { units, untilMs } = limit
  let [used = 0] = kept

  const available = (whenMs: number): number => (whenMs >= untilMs ? UNITS_MAX : units - used)
  const earliest = (need: number, whenMs: number): number =>
    need <= available(whenMs) ? whenMs : Math.max(whenMs, untilMs)

  return {
    kind: 'rate',
    size: sizeOfLimit(limit, 0),
    countsUnits: countsUnits(limit),
    available,
    earliest,
    soonest: (need, inFlight, whenMs) => earliest(Math.max(0, need - inFlight), whenMs),
    spare: (need, etaMs) => (etaMs >= untilMs ? Number.POSITIVE_INFINITY : units - need - used),
    charge(amount, whenMs) {
      if (whenMs < untilMs) used += amount
    },
    refund(amount, chargedAtMs) {
      if (chargedAtMs < untilMs) used = Math.max(0, used - amount)
    },
    counted: () => used,
    occupy(amount, _untilMs, whenMs) {
      if (whenMs < untilMs) used += amount
    },
    kept: () => [used],
    view: (whenMs) => ({
      type: limit.type,
      limit: units,
      used: whenMs >= untilMs ? 0 : used,
      remaining: available(whenMs),
      resetsAtMs: whenMs >= untilMs ? null : untilMs,
    }),
  }
}
