// At most `units` until `untilMs`, then as many again. A provider does not say when: no time is foreseen.

import type { LimitOf } from '../limit-rule.ts'
import type { ProviderLimit } from './provider-limit.ts'
import { windowSum } from './window-sum.ts'

export function spendCap({ units, untilMs }: LimitOf<'spend-cap'>): ProviderLimit {
  const untilUs = untilMs * 1_000
  const sum = windowSum({
    units,
    endOfUs: (atUs) => (atUs < untilUs ? untilUs : Infinity),
    beginsWithCall: false,
  })
  return {
    ...sum,
    fitsAtUs: (wanted, atUs) => (wanted <= sum.remaining(atUs) ? atUs : null),
    fullAtUs: (atUs) => (atUs < untilUs ? untilUs : atUs),
  }
}
