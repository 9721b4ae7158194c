// Slew: above a threshold, use may grow only so fast.
//
// SL1  In any W at most `units`, or (1 + growth) times the lesser of two: what was used in the busiest of the W that
//      ended between `growthMs` and SPREAD times W more before, and what was used in a W on the average of any
//      `growthMs` that ended since then. Providers say "at most 50 % more every 15 minutes", and not whether they compare
//      with then, with the average or with the busiest window of the period before, and when their periods begin: the
//      busiest is never less than the average, wherever the period and its windows began.
// SL2  Mirrored for a delay of 0 to J: what may have arrived in a W was granted within W + J. What was granted within
//      W - J has arrived within one W, so grants are added up in bins of that length. Of a period, its first W and its
//      last J may count elsewhere, and a charge in the log may be as much older as the log is coarse (CL1).
// SL3  What fits now must fit for ever (L2), although what it grows from will be over: a demand fits only if it does
//      until all that is used now has rolled off, and never more than the threshold at once.

import { multiplyDivide } from '../../domain/arithmetic.ts'
import { PARTS_PER_WHOLE, type Slew } from '../../domain/limit.ts'
import { ChargeLog } from './charge-log.ts'
import type { RateMeter } from './meter.ts'
import { SLOTS_PER_WINDOW } from './sliding-window.ts'
import { cyclesOf, firstTime } from './threshold.ts'
import { windowed } from './windowed.ts'

/** Periods are looked at that end in steps of this part of a window; what is lost by it is grown by less. */
const STEPS_PER_WINDOW = 6

/** So that bursts of one a window are compared with one another, wherever they lie. */
export const SPREAD = 3

export function slew(limit: Slew, jitterMs: number, kept: readonly number[]): RateMeter {
  const { units, windowMs, growthMs } = limit
  const spanMs = windowMs + jitterMs
  const binMs = Math.max(1, windowMs - jitterMs)
  /** Shorter bins would be many, and say little; so would shorter periods. */
  const canGrow = 2 * jitterMs <= windowMs && growthMs >= 2 * windowMs
  const stepMs = Math.max(1, Math.floor(windowMs / STEPS_PER_WINDOW))
  /** Windows of the clock that may begin in a period. */
  const windowsInPeriod = Math.ceil(growthMs / windowMs)
  /** A bin is grown from between these times after its end. */
  const grownFromMs = growthMs + jitterMs - 1
  const grownUntilMs = growthMs + SPREAD * windowMs
  const { bins, rest } = restoreBins(kept, binMs)
  const keptMs = canGrow ? 2 * growthMs + spanMs : spanMs
  const log = new ChargeLog({ keptMs, slotMs: windowMs / SLOTS_PER_WINDOW }, rest)

  const usedAt = (whenMs: number): number => log.since(whenMs - spanMs)

  /** What the busiest window was about a growth's time before. */
  function busiestBefore(whenMs: number): number {
    let busiest = 0
    for (const [bin, sum] of bins) {
      const sinceMs = whenMs - (bin + 1) * binMs
      if (sinceMs >= grownFromMs && sinceMs < grownUntilMs) busiest = Math.max(busiest, sum)
    }
    return busiest
  }

  /** What surely is the average window of every period that ends in a step. */
  function averageUntil(step: number): number {
    const fromMs = (step + 1) * stepMs - growthMs + windowMs + log.slotMs
    const all = log.between(fromMs - 1, step * stepMs - jitterMs - 1)
    return multiplyDivide(all, 1, 0, windowsInPeriod).quotient
  }

  function grownFrom(used: number): number {
    return Math.max(units, multiplyDivide(used, PARTS_PER_WHOLE + limit.growth, 0, PARTS_PER_WHOLE).quotient)
  }

  /**
   * What is left from `fromMs` to `untilMs` at the least: what is allowed falls only where a bin is grown from no more,
   * and where another period ends.
   */
  function leastLeft(fromMs: number, untilMs: number): number {
    if (!canGrow || grownFrom(Math.max(0, ...bins.values())) === units) return units - usedAt(fromMs)
    const falls = [...bins.keys()].map((bin) => (bin + 1) * binMs + grownUntilMs)
    let step = Math.floor((fromMs - growthMs) / stepMs)
    let average = averageUntil(step)
    let least = Number.POSITIVE_INFINITY
    const look = (whenMs: number): void => {
      for (; step * stepMs <= whenMs; step += 1) average = Math.min(average, averageUntil(step))
      least = Math.min(least, grownFrom(Math.min(busiestBefore(whenMs), average)) - usedAt(whenMs))
    }
    const steps = Math.floor(untilMs / stepMs) - Math.floor(fromMs / stepMs)
    const ends = Array.from({ length: steps }, (_, nth) => (Math.floor(fromMs / stepMs) + 1 + nth) * stepMs)
    const times = [fromMs, ...falls, ...ends].filter((timeMs) => timeMs >= fromMs && timeMs <= untilMs)
    for (const timeMs of times.sort((a, b) => a - b)) look(timeMs)
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
      // What came back is not grown from either.
      if (chargedAtMs + keptMs > whenMs) log.refund(amount, chargedAtMs)
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
