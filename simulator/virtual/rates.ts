// What a limit lets through for ever, by arithmetic of its own: the measures are not to trust the limiter's.

import { countsUnits, periodMsOf, type Limit } from '../../domain/limit.ts'
import type { Demand, Resource } from '../../domain/resource.ts'

/** What a limit counts, a millisecond, with a delivery that takes 0 to J; null for what is not limited by time. */
function rateOfLimit(limit: Limit, jitterMs: number): number | null {
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

/** What a resource lets through for ever: units and reservations a millisecond; null where that is not limited by time. */
export type Rate = { readonly units: number | null; readonly reservations: number | null }

/** The least of all limits. */
export function rateOf({ limits, jitterMs }: Pick<Resource, 'limits' | 'jitterMs'>): Rate {
  const least = (of: readonly Limit[]): number | null => {
    const rates = of.map((limit) => rateOfLimit(limit, jitterMs)).filter((rate) => rate !== null)
    return rates.length === 0 ? null : Math.min(...rates)
  }
  return {
    units: least(limits.filter(countsUnits)),
    reservations: least(limits.filter((limit) => !countsUnits(limit))),
  }
}

/** For how long a demand of so many units takes all of a resource, in milliseconds. */
export function costOf(units: number, rate: Rate): number {
  return Math.max(
    rate.units === null ? 0 : units / rate.units,
    rate.reservations === null ? 0 : 1 / rate.reservations,
  )
}

/** The most over the resources of a demand. */
export function costMs(demand: Demand, rates: ReadonlyMap<string, Rate>): number {
  let cost = 0
  for (const [id, units] of demand) {
    const rate = rates.get(id)
    if (rate !== undefined) cost = Math.max(cost, costOf(units, rate))
  }
  return cost
}

export function ratesOf(resources: readonly Resource[]): ReadonlyMap<string, Rate> {
  return new Map(resources.map((resource) => [resource.id, rateOf(resource)]))
}
