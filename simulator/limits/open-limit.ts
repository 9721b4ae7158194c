// One file a kind of limit; here is the only place that knows them all.

import type { LimitRule } from '../limit-rule.ts'
import { clockWindow } from './clock-window.ts'
import { concurrency } from './concurrency.ts'
import { firstHitWindow } from './first-hit-window.ts'
import { fixedWindow } from './fixed-window.ts'
import { hiddenAdaptive } from './hidden-adaptive.ts'
import type { ProviderLimit } from './provider-limit.ts'
import { quantised } from './quantised.ts'
import { queueThenExpire } from './queue-then-expire.ts'
import { slew } from './slew.ts'
import { slidingCounter } from './sliding-counter.ts'
import { slidingWindow } from './sliding-window.ts'
import { spendCap } from './spend-cap.ts'
import { tokenBucket } from './token-bucket.ts'

/** A limit with nothing charged yet; `startUs` is when a bucket is full and a schedule begins. */
export function openLimit(rule: LimitRule, startUs: number): ProviderLimit {
  switch (rule.type) {
    case 'token-bucket':
      return tokenBucket(rule, startUs)
    case 'sliding-window':
      return slidingWindow(rule)
    case 'sliding-counter':
      return slidingCounter(rule)
    case 'fixed-window':
      return fixedWindow(rule)
    case 'clock-window':
      return clockWindow(rule)
    case 'first-hit-window':
      return firstHitWindow(rule)
    case 'quantised':
      return quantised(rule)
    case 'concurrency':
      return concurrency(rule)
    case 'slew':
      return slew(rule)
    case 'spend-cap':
      return spendCap(rule)
    case 'queue-then-expire':
      return queueThenExpire(rule)
    case 'hidden-adaptive':
      return hiddenAdaptive(rule, startUs)
    default:
      return rule satisfies never
  }
}
