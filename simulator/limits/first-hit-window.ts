// At most `units` in a window that the first call after the last window begins: what most rate limiting libraries do.

import type { LimitOf } from '../limit-rule.ts'
import type { ProviderLimit } from './provider-limit.ts'
import { windowSum } from './window-sum.ts'

export function firstHitWindow({ units, windowMs }: LimitOf<'first-hit-window'>): ProviderLimit {
  return windowSum({ units, endOfUs: (atUs) => atUs + windowMs * 1_000, beginsWithCall: true })
}
