// Token bucket: at most `capacity` at once, refilled continuously by refillUnits / refillMs.
//
// B1  The refill is exact for ever: the deficit is whole units plus a fraction in parts of the reduced refillMs.
// B2  Refill and refund stop at a deficit of 0, so the level never passes the capacity.
// B3  An overrun may push the deficit beyond the capacity: debt, repaid at the refill rate before anything fits.
// B4  Mirrored for a delay of 0 to J: capacity less refill times J, as an exact fraction.
// B5  A changed definition keeps the deficit, so the level moves by the difference of the capacities (L5).

import { countsUnits, sizeOfLimit, type TokenBucket } from '../../domain/limit.ts'
import { greatestCommonDivisor, multiplyDivide, multiplyDivideUp } from '../../domain/arithmetic.ts'
import type { RateMeter } from './meter.ts'

type Deficit = { readonly units: number; readonly part: number }

export function tokenBucket(
  limit: TokenBucket,
  jitterMs: number,
  kept: readonly number[],
  atMs: number,
): RateMeter {
  const divisor = greatestCommonDivisor(limit.refillUnits, limit.refillMs)
  const perStep = limit.refillUnits / divisor
  const parts = limit.refillMs / divisor
  const jitter = multiplyDivide(perStep, jitterMs, 0, parts)
  const size = sizeOfLimit(limit, jitterMs)

  let [units = 0, part = 0, lastMs = atMs] = kept
  const keptParts = kept[3] ?? parts
  if (keptParts !== parts) {
    part = multiplyDivideUp(part, parts, keptParts)
    if (part === parts) [units, part] = [units + 1, 0]
  }

  /** What is missing to a full bucket at a time; negative by what refill would pass it. */
  function deficitAt(whenMs: number): Deficit {
    return refilled({ units, part }, whenMs - lastMs)
  }

  function refilled(deficit: Deficit, forMs: number): Deficit {
    const gained = multiplyDivide(perStep, Math.max(0, forMs), 0, parts)
    const left = { units: deficit.units - gained.quotient, part: deficit.part - gained.remainder }
    return left.part < 0 ? { units: left.units - 1, part: left.part + parts } : left
  }

  function refill(whenMs: number): void {
    const left = capped(deficitAt(whenMs))
    units = left.units
    part = left.part
    lastMs = Math.max(lastMs, whenMs)
  }

  /** Level of the mirrored bucket in whole units, rounded down. */
  function level(deficit: Deficit): number {
    const fraction = deficit.part + jitter.remainder
    return limit.capacity - jitter.quotient - deficit.units - Math.ceil(fraction / parts)
  }

  function available(whenMs: number): number {
    return level(capped(deficitAt(whenMs)))
  }

  function earliest(need: number, whenMs: number): number {
    const missing = need - available(whenMs)
    if (missing <= 0) return whenMs
    const lacking = capped(deficitAt(whenMs))
    const short = {
      units: lacking.units + need + jitter.quotient - limit.capacity,
      part: lacking.part + jitter.remainder,
    }
    const whole = multiplyDivide(short.units, parts, short.part, perStep)
    return whenMs + whole.quotient + (whole.remainder > 0 ? 1 : 0)
  }

  return {
    kind: 'rate',
    size,
    countsUnits: countsUnits(limit),
    available,
    earliest,
    soonest: (need, inFlight, whenMs) => earliest(need - inFlight, whenMs),
    spare: (need, etaMs, use) => level(refilled(capped(deficitAt(use.atMs)), etaMs - use.atMs)) - need,
    charge(amount, whenMs) {
      refill(whenMs)
      units += amount
    },
    refund(amount, _chargedAtMs, whenMs) {
      refill(whenMs)
      units -= amount
      if (units < 0) [units, part] = [0, 0]
    },
    counted(sinceMs, whenMs) {
      const { units, part } = capped(deficitAt(whenMs))
      const refill = multiplyDivideUp(perStep, Math.max(0, whenMs - sinceMs), parts)
      return units + refill + (part > 0 ? 1 : 0)
    },
    occupy(amount, _untilMs, whenMs) {
      refill(whenMs)
      units += amount
    },
    kept: () => [units, part, lastMs, parts],
    view(whenMs) {
      const remaining = available(whenMs)
      return {
        type: 'token-bucket',
        limit: limit.capacity,
        used: size - remaining,
        remaining,
        resetsAtMs: remaining < size ? earliest(size, whenMs) : null,
      }
    },
  }
}

/** A full bucket stays full. */
function capped(deficit: Deficit): Deficit {
  return deficit.units < 0 ? { units: 0, part: 0 } : deficit
}
