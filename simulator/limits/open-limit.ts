// One file a kind of limit; here is the only place that knows them all.

import type { LimitRule } from '../scenario.ts'
import { concurrency } from './concurrency.ts'
import { fixedWindow } from './fixed-window.ts'
import type { ProviderLimit } from './provider-limit.ts'
import { slidingWindow } from './sliding-window.ts'
import { tokenBucket } from './token-bucket.ts'

/** A limit with nothing charged yet; `startUs` is when a bucket is full. */
export function openLimit(rule: LimitRule, startUs: number): ProviderLimit {
  switch (rule.type) {
    case 'token-bucket':
      return tokenBucket(rule, startUs)
    case 'sliding-window':
      return slidingWindow(rule)
    case 'fixed-window':
      return fixedWindow(rule)
    case 'concurrency':
      return concurrency(rule)
    default:
      return rule satisfies never
  }
}
