// A sliding window that follows a schedule since it was opened, as a provider sheds load without telling anybody.

import type { LimitOf } from '../limit-rule.ts'
import type { ProviderLimit } from './provider-limit.ts'
import { slidingWindow } from './sliding-window.ts'

export function hiddenAdaptive(rule: LimitOf<'hidden-adaptive'>, startUs: number): ProviderLimit {
  const most = Math.max(...rule.schedule.map(({ units }) => units))
  const window = slidingWindow({ units: most, windowMs: rule.windowMs })
  const cutAt = (atUs: number): number => most - unitsAt(rule, (atUs - startUs) / 1_000)

  return {
    ...window,
    remaining: (atUs) => window.remaining(atUs) - cutAt(atUs),
    // What fits later depends on a schedule that nobody outside knows.
    fitsAtUs: (units, atUs) => (units <= window.remaining(atUs) - cutAt(atUs) ? atUs : null),
  }
}

/** The size `afterMs` after the beginning. */
function unitsAt({ schedule }: LimitOf<'hidden-adaptive'>, afterMs: number): number {
  return schedule.findLast((step) => step.afterMs <= afterMs)?.units ?? schedule[0]?.units ?? 0
}
