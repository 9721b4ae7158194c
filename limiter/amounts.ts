// Amounts as they are told, made fit to be counted.
//
// AM1  Whole units from 0 to UNITS_MAX, sorted by resource, each named once: what is fractional is rounded up, what is
//      no number counts as nothing. Sums and products of them stay exact, so that no operation makes the limiter throw.

import { UNITS_MAX } from '../domain/limit.ts'
import type { Demand } from '../domain/resource.ts'

export function canonical(demand: Demand): Demand {
  const isCanonical = demand.every(([id, units], at) => {
    return (at === 0 || (demand[at - 1]?.[0] ?? '') < id) && wholeUnits(units) === units
  })
  if (isCanonical) return demand
  const sums = new Map<string, number>()
  for (const [id, units] of demand) sums.set(id, wholeUnits((sums.get(id) ?? 0) + wholeUnits(units)))
  return [...sums].sort(([a], [b]) => (a < b ? -1 : 1))
}

/** Units of one resource in a demand; 0 where it is not named. */
export function unitsIn(demand: Demand, resourceId: string): number {
  for (const [id, units] of demand) if (id === resourceId) return units
  return 0
}

export function isSame(a: Demand, b: Demand): boolean {
  return a === b || (a.length === b.length && b.every(([id, units]) => unitsIn(a, id) === units))
}

/** Of every resource that one of the two names, the more. */
export function larger(a: Demand, b: Demand): Demand {
  const onlyInB = b.filter(([id]) => !a.some(([other]) => other === id))
  return canonical([...a.map(([id, units]) => [id, Math.max(units, unitsIn(b, id))] as const), ...onlyInB])
}

function wholeUnits(units: number): number {
  return Number.isNaN(units) ? 0 : Math.min(UNITS_MAX, Math.max(0, Math.ceil(units)))
}
