// The limiter that is put to the test: ours, or one that is wrong on purpose, to see that the referee tells.

import type { Limit } from '../../domain/limit.ts'
import { periodMsOf } from '../../domain/limit.ts'
import type { Resource } from '../../domain/resource.ts'

/**
 * `wrong-bucket`: a bucket as large as the window, with its whole refill, as many libraries do; up to twice the limit.
 * `wrong-window`: the provider's window as it is, as if a grant arrived in the moment it was given.
 */
export const SUSPECTS = ['ours', 'wrong-bucket', 'wrong-window'] as const
export type Suspect = (typeof SUSPECTS)[number]

/** What the limiter believes the provider enforces. */
export function beliefOf(suspect: Suspect, resource: Resource): Resource {
  switch (suspect) {
    case 'ours':
      return resource
    case 'wrong-bucket':
      return { ...resource, jitterMs: 0, limits: resource.limits.map(asBucket) }
    case 'wrong-window':
      return { ...resource, jitterMs: 0 }
    default:
      return suspect satisfies never
  }
}

function asBucket(limit: Limit): Limit {
  switch (limit.type) {
    case 'sliding-window':
    case 'first-hit-window':
    case 'sliding-counter':
    case 'clock-window':
    case 'quantized-window':
    case 'slew':
    case 'adaptive':
      return {
        type: 'token-bucket',
        capacity: limit.units,
        refillUnits: limit.units,
        refillMs: limit.windowMs,
      }
    case 'fixed-window':
      return {
        type: 'token-bucket',
        capacity: limit.units,
        refillUnits: limit.units,
        refillMs: periodMsOf(limit.period),
      }
    case 'token-bucket':
    case 'spend-cap':
    case 'concurrency':
      return limit
    default:
      return limit satisfies never
  }
}
