// Slew: above a threshold, use may grow only so fast.
//
// SL1  In any W at most `units`, or (1 + growth) times what was used in the busiest of the W that ended between
//      `growthMs` and SPREAD times W more before.
// SL2  Mirrored for a delay of 0 to J: what may have arrived in a W was granted within W + J. What was granted within
//      W - J has arrived within one W, so grants are added up in bins of that length.
// SL3  What fits now must fit for ever (L2), although what it grows from will be over: a demand fits only if it does
//      until all that is used now has rolled off, and never more than the threshold at once.

import { multiplyDivide } from '../../domain/arithmetic.ts'
import { PARTS_PER_WHOLE, type Slew } from '../../domain/limit.ts'
import { ChargeLog } from './charge-log.ts'
import type { RateMeter } from './meter.ts'
import { SLOTS_PER_WINDOW } from './sliding-window.ts'
import { cyclesOf, firstTime } from './threshold.ts'
import { windowed } from './windowed.ts'

/** So that bursts of one a window are compared with one another, wherever they lie. */
export const SPREAD = 3

export function slew(limit: Slew, jitterMs: number, kept: readonly number[]): RateMeter {
  const { units, windowMs, growthMs } = limit
  const spanMs = windowMs + jitterMs
  const binMs = Math.max(1, windowMs - jitterMs)
  /** Shorter bins would be many, and say little. */
  const canGrow = 2 * jitterMs <= windowMs
  /** A bin is grown from between these times after its end. */
  const grownFromMs = growthMs + jitterMs - 1
  const grownUntilMs = growthMs + SPREAD * windowMs
  const { bins, rest } = restoreBins(kept, binMs)
  const log = new ChargeLog({ keptMs: spanMs, slotMs: windowMs / SLOTS_PER_WINDOW }, rest)

  const usedAt = (whenMs: number): number => log.since(whenMs - spanMs)

  function allowedAt(whenMs: number): number {
    if (!canGrow) return units
    let busiest = 0
    for (const [bin, sum] of bins) {
      const sinceMs = whenMs - (bin + 1) * binMs
      if (sinceMs >= grownFromMs && sinceMs < grownUntilMs) busiest = Math.max(busiest, sum)
    }
    const grown = multiplyDivide(busiest, PARTS_PER_WHOLE + limit.growth, 0, PARTS_PER_WHOLE)
    return Math.max(units, grown.quotient)
  }

  /** What is left from `fromMs` to `untilMs` at the least: what is allowed falls only where a bin is grown from no more. */
  function leastLeft(fromMs: number, untilMs: number): number {
    let least = allowedAt(fromMs) - usedAt(fromMs)
    for (const bin of bins.keys()) {
      const fallsAtMs = (bin + 1) * binMs + grownUntilMs
      if (fallsAtMs <= fromMs || fallsAtMs > untilMs) continue
      least = Math.min(least, allowedAt(fallsAtMs) - usedAt(fallsAtMs))
    }
    return least
  }

  function add(amount: number, whenMs: number): void {
    if (!canGrow) return
    const bin = Math.floor(whenMs / binMs)
    bins.set(bin, Math.max(0, (bins.get(bin) ?? 0) + amount))
    for (const old of bins.keys()) {
      if ((old + 1) * binMs + grownUntilMs > whenMs) return
      bins.delete(old)
    }
  }

  const available = (whenMs: number): number => Math.min(units, leastLeft(whenMs, whenMs + spanMs))

  function earliest(need: number, whenMs: number): number {
    const { cycles, rest } = cyclesOf(need, units)
    const emptyMs = (log.newestMs ?? whenMs) + spanMs
    return firstTime(whenMs, emptyMs, (timeMs) => available(timeMs) >= rest) + cycles * spanMs
  }

  const counting = windowed({ limit, jitterMs, log, units, spanMs, available, earliest })
  return {
    ...counting,
    spare: (need, etaMs, use) =>
      use.atMs + spanMs <= etaMs ? Number.POSITIVE_INFINITY : leastLeft(etaMs, use.atMs + spanMs - 1) - need,
    charge(amount, whenMs) {
      counting.charge(amount, whenMs)
      add(amount, whenMs)
    },
    refund(amount, chargedAtMs, whenMs) {
      counting.refund(amount, chargedAtMs, whenMs)
      if (bins.has(Math.floor(chargedAtMs / binMs))) add(-amount, chargedAtMs)
    },
    counted: () => null,
    kept: () => [binMs, bins.size, ...[...bins].flat(), ...log.kept()],
  }
}

/** Bins of another length say nothing any more: what is used grows from the threshold again. */
function restoreBins(
  [keptMs = 0, count = 0, ...numbers]: readonly number[],
  binMs: number,
): { readonly bins: Map<number, number>; readonly rest: readonly number[] } {
  const bins = new Map<number, number>()
  for (let at = 0; keptMs === binMs && at < 2 * count; at += 2) {
    bins.set(numbers[at] ?? 0, numbers[at + 1] ?? 0)
  }
  return { bins, rest: numbers.slice(2 * count) }
}
