// Sliding window: at most `units` in every window of `windowMs`, wherever it begins.
//
// W1  The sum of charges in any (t - W - J, t] never exceeds the limit by a grant (mirrored over W + J).
// W2  It counts by a log (CL1): charges count up to a sixtieth of the window longer than they need, never shorter.
// W3  An overrun counts from when it is booked: it was used by then at the latest. A refund takes from the entry that
//     holds the charge, or nothing where that has rolled off.
// W4  It holds for every window of that length, so it also mirrors windows of which nobody knows when they begin: those
//     that begin with a first hit, and the steps of a quantized window without a known phase.

import { stepUnitsOf, type QuantizedWindow, type Window } from '../../domain/limit.ts'
import { ChargeLog } from './charge-log.ts'
import { OBSERVED_MS_MAX, type RateMeter } from './meter.ts'
import { cyclesOf } from './threshold.ts'
import { windowed } from './windowed.ts'

export const SLOTS_PER_WINDOW = 60

export function slidingWindow(
  limit: Window | QuantizedWindow,
  jitterMs: number,
  kept: readonly number[],
): RateMeter {
  const [units, windowMs] =
    limit.type === 'quantized-window' ? [stepUnitsOf(limit), limit.stepMs] : [limit.units, limit.windowMs]
  const spanMs = windowMs + jitterMs
  const observedMs = Math.min(windowMs, OBSERVED_MS_MAX)
  const log = new ChargeLog({ keptMs: spanMs + observedMs, slotMs: windowMs / SLOTS_PER_WINDOW }, kept)

  const usedAt = (whenMs: number): number => log.since(whenMs - spanMs)
  const available = (whenMs: number): number => units - usedAt(whenMs)

  function earliest(need: number, whenMs: number): number {
    const { cycles, rest } = cyclesOf(need, units)
    return rollsOff(usedAt(whenMs) + rest - units, whenMs) + cycles * spanMs
  }

  /** When that many of the units used at `whenMs` are used no more. */
  function rollsOff(excess: number, whenMs: number): number {
    if (excess <= 0) return whenMs
    const first = log.indexOf(whenMs - spanMs + 1)
    const before = log.sumBefore(first)
    let [low, high] = [first, log.end - 1]
    while (low < high) {
      const middle = (low + high) >> 1
      if (log.sumBefore(middle + 1) - before < excess) low = middle + 1
      else high = middle
    }
    return log.timeAt(low) + spanMs
  }

  const counting = windowed({ limit, jitterMs, log, units, spanMs, available, earliest })
  return {
    ...counting,
    spare: (need, etaMs, use) =>
      use.atMs + spanMs <= etaMs ? Number.POSITIVE_INFINITY : units - need - usedAt(etaMs),
    counted: (sinceMs, whenMs) => (whenMs - sinceMs > observedMs ? null : log.since(sinceMs - spanMs)),
    kept: () => log.kept(),
  }
}
