// At most `units` until `untilMs`, and no limit from then on. A provider does not say when: no time is foreseen.

import { UNBOUNDED, type LimitOf } from '../limit-rule.ts'
import type { ProviderLimit } from './provider-limit.ts'
import { windowSum } from './window-sum.ts'

export function spendCap({ units, untilMs }: LimitOf<'spend-cap'>): ProviderLimit {
  const untilUs = untilMs * 1_000
  const sum = windowSum({ units, endOfUs: () => untilUs, beginsWithCall: false })
  const remaining = (atUs: number): number => (atUs < untilUs ? sum.remaining(atUs) : UNBOUNDED)
  return {
    ...sum,
    remaining,
    fitsAtUs: (wanted, atUs) => (wanted <= remaining(atUs) ? atUs : null),
    fullAtUs: (atUs) => Math.max(atUs, untilUs),
  }
}
