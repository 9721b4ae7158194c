// What a limit lets through for ever, by arithmetic of its own: the measures are not to trust the limiter's.

import { periodMsOf, type Limit } from '../../domain/limit.ts'
import type { Demand, Resource } from '../../domain/resource.ts'

/** Units a millisecond with a delivery that takes 0 to J; null for what is not limited by time. */
export function rateOfLimit(limit: Limit, jitterMs: number): number | null {
  switch (limit.type) {
    case 'token-bucket':
      return limit.refillUnits / limit.refillMs
    case 'sliding-window':
    case 'first-hit-window':
    case 'sliding-counter':
    case 'slew':
    case 'adaptive':
      return limit.units / (limit.windowMs + jitterMs)
    case 'fixed-window':
      return limit.units / periodMsOf(limit.period)
    case 'clock-window':
    case 'quantized-window':
      return limit.units / limit.windowMs
    case 'spend-cap':
    case 'concurrency':
      return null
    default:
      return limit satisfies never
  }
}

/** The least rate of all limits; null where none is limited by time. */
export function rateOf({ limits, jitterMs }: Pick<Resource, 'limits' | 'jitterMs'>): number | null {
  const rates = limits.map((limit) => rateOfLimit(limit, jitterMs)).filter((rate) => rate !== null)
  return rates.length === 0 ? null : Math.min(...rates)
}

/** The most over its resources of the time, in milliseconds, for which a demand takes all of one. */
export function costMs(demand: Demand, rates: ReadonlyMap<string, number | null>): number {
  let cost = 0
  for (const [id, units] of demand) {
    const rate = rates.get(id) ?? null
    if (rate !== null) cost = Math.max(cost, units / rate)
  }
  return cost
}

export function ratesOf(resources: readonly Resource[]): ReadonlyMap<string, number | null> {
  return new Map(resources.map((resource) => [resource.id, rateOf(resource)]))
}
