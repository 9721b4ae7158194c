// What the meters have in common that count charges for W + J in a log.
//
// L1 to L5 hold as in meter.ts. A refund finds its charge only while that counts; what others used until a time counts as
// if it had been charged a whole span before.

import { countsUnits, sizeOfLimit, type Limit } from '../../domain/limit.ts'
import type { ChargeLog } from './charge-log.ts'
import type { RateMeter } from './meter.ts'

type Windowed = {
  readonly limit: Limit
  readonly jitterMs: number
  readonly log: ChargeLog
  /** As configured, per window. */
  readonly units: number
  /** W + J. */
  readonly spanMs: number
  readonly available: (atMs: number) => number
  readonly earliest: (need: number, atMs: number) => number
}

type Shared =
  | 'kind'
  | 'size'
  | 'countsUnits'
  | 'available'
  | 'earliest'
  | 'soonest'
  | 'charge'
  | 'refund'
  | 'occupy'
  | 'view'

export function windowed(of: Windowed): Pick<RateMeter, Shared> {
  const { limit, jitterMs, log, units, spanMs, available, earliest } = of
  return {
    kind: 'rate',
    size: sizeOfLimit(limit, jitterMs),
    countsUnits: countsUnits(limit),
    available,
    earliest,
    soonest: (need, inFlight, whenMs) => earliest(Math.max(0, need - inFlight), whenMs),
    charge: (amount, whenMs) => log.charge(amount, whenMs),
    refund(amount, chargedAtMs, whenMs) {
      if (chargedAtMs + spanMs > whenMs) log.refund(amount, chargedAtMs)
    },
    occupy: (amount, untilMs, whenMs) => log.insert(amount, Math.min(whenMs, untilMs - spanMs)),
    view(whenMs) {
      const used = log.since(whenMs - spanMs)
      return {
        type: limit.type,
        limit: units,
        used,
        remaining: available(whenMs),
        resetsAtMs: used > 0 && log.newestMs !== null ? log.newestMs + spanMs : null,
      }
    },
  }
}
