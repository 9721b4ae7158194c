// Adaptive: for a provider that tells nothing, a sliding window whose height is found by trial.
//
// AD1  Additive increase, multiplicative decrease: the factor is multiplied by `decrease` when the provider throttles,
//      and grows by `increase` with every window since, between `floor` and the whole.
// AD2  Calls that were granted before the last decrease say nothing new: a burst of refusals is one decrease.
// AD3  The sum of charges in any (t - W - J, t] never exceeds the factor of `units` by a grant. That the provider
//      refuses nothing cannot be promised: it is what the factor is learnt from.

import { multiplyDivide } from '../../domain/arithmetic.ts'
import { PARTS_PER_WHOLE, type Adaptive } from '../../domain/limit.ts'
import { ChargeLog } from './charge-log.ts'
import { OBSERVED_MS_MAX, type RateMeter } from './meter.ts'
import { SLOTS_PER_WINDOW } from './sliding-window.ts'
import { cyclesOf, firstTime } from './threshold.ts'
import { windowed } from './windowed.ts'

export function adaptive(limit: Adaptive, jitterMs: number, kept: readonly number[]): RateMeter {
  const { units, windowMs } = limit
  const spanMs = windowMs + jitterMs
  const observedMs = Math.min(windowMs, OBSERVED_MS_MAX)
  let [factor = PARTS_PER_WHOLE, changedAtMs = 0] = kept
  const bounds = { keptMs: spanMs + observedMs, slotMs: windowMs / SLOTS_PER_WINDOW }
  const log = new ChargeLog(bounds, kept.slice(2))

  function factorAt(whenMs: number): number {
    const cleanWindows = Math.max(0, Math.floor((whenMs - changedAtMs) / windowMs))
    return Math.min(PARTS_PER_WHOLE, factor + cleanWindows * limit.increase)
  }

  const heightAt = (whenMs: number): number =>
    multiplyDivide(units, factorAt(whenMs), 0, PARTS_PER_WHOLE).quotient
  const usedAt = (whenMs: number): number => log.since(whenMs - spanMs)
  const available = (whenMs: number): number => heightAt(whenMs) - usedAt(whenMs)

  function earliest(need: number, whenMs: number): number {
    const { cycles, rest } = cyclesOf(need, units)
    const windowsToWhole = Math.ceil((PARTS_PER_WHOLE - factor) / limit.increase)
    const wholeMs = Math.max(changedAtMs + windowsToWhole * windowMs, (log.newestMs ?? whenMs) + spanMs)
    return firstTime(whenMs, wholeMs, (timeMs) => available(timeMs) >= rest) + cycles * spanMs
  }

  const counting = windowed({ limit, jitterMs, log, units, spanMs, available, earliest })
  return {
    ...counting,
    spare: (need, etaMs, use) =>
      use.atMs + spanMs <= etaMs ? Number.POSITIVE_INFINITY : available(etaMs) - need,
    counted: (sinceMs, whenMs) => (whenMs - sinceMs > observedMs ? null : log.since(sinceMs - spanMs)),
    slowDown(grantedAtMs, whenMs) {
      if (grantedAtMs < changedAtMs) return
      const lower = multiplyDivide(factorAt(whenMs), limit.decrease, 0, PARTS_PER_WHOLE).quotient
      factor = Math.max(limit.floor, lower)
      changedAtMs = whenMs
    },
    kept: () => [factor, changedAtMs, ...log.kept()],
  }
}
