// Pools: parts of a resource's capacity that are kept for some, carved out of its limits and never added.
//
// PL1  The parts of a limit add up to the limit, so what all pools admit together never exceeds it.
// PL2  Who may use which: a client its dedicated pool first, everybody the shared one, urgent work the reserved one last.
// PL5  What an owner does not wait for is lent, up to a part of its pool: who borrows must fit the pool and its loans,
//      and is charged in both. Nothing is lent while an owner waits, so its pool is whole again within one window.
// PL4  A demand is possible if one of the pools that its asker may use can ever admit it whole; admission and the
//      limiter ask the same rule.

import { needOfLimit, PARTS_PER_WHOLE, partOfLimit, restOfLimit, sizeOfLimit, type Limit } from './limit.ts'
import type { Urgency } from './priority.ts'
import { LENDING_DEFAULT, type Resource } from './resource.ts'

export const SHARED = 'shared'
export const RESERVED = 'reserved'

/** A pool as it is carved: its part of every limit, and the most that each part admits at once. */
export type Part = {
  readonly name: string
  readonly limits: readonly Limit[]
  readonly sizes: readonly number[]
}

/** What a pool lends: the most of every limit that may be used of it by others. */
export type Loan = Part & { readonly lender: string }

/** Who asks, as far as it decides on pools. */
export type Asker = { readonly clientId: string; readonly urgency: Urgency }

export function dedicatedName(clientId: string): string {
  return `dedicated:${clientId}`
}

/** The pools of a resource, the shared one first, then the dedicated ones by client, then the reserved one. */
export function carve(resource: Resource): readonly Part[] {
  const { limits } = resource
  const parts = partsOf(resource)
  const taken = [...parts.values()]
  const shared = limits.map((limit) => taken.reduce((rest, part) => restOfLimit(rest, limit, part), limit))
  return [
    sized(resource, SHARED, shared),
    ...[...parts].map(([name, part]) =>
      sized(
        resource,
        name,
        limits.map((limit) => partOfLimit(limit, part)),
      ),
    ),
  ]
}

/** What the pools of a resource lend, in the order of the pools. */
export function loansOf(resource: Resource): readonly Loan[] {
  const { limits, pools } = resource
  const lending = pools?.lending ?? LENDING_DEFAULT
  return [...partsOf(resource)].flatMap(([lender, part]) => {
    const lent = lender === RESERVED ? lending.reserved : lending.dedicated
    const lentPart = Math.floor((part * lent) / PARTS_PER_WHOLE)
    if (lentPart === 0) return []
    const loan = limits.map((limit) => partOfLimit(limit, lentPart))
    return [{ ...sized(resource, `loan:${lender}`, loan), lender }]
  })
}

function sized({ jitterMs }: Resource, name: string, limits: readonly Limit[]): Part {
  return { name, limits, sizes: limits.map((limit) => sizeOfLimit(limit, jitterMs)) }
}

/** By name, the part of the whole that each carved pool has. */
function partsOf({ pools }: Resource): ReadonlyMap<string, number> {
  const { reserved = 0, dedicated = {} } = pools ?? {}
  const named = Object.entries(dedicated)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([clientId, part]) => [dedicatedName(clientId), part] as const)
  return new Map([...named, [RESERVED, reserved] as const].filter(([, part]) => part > 0))
}

/** The pools that the asker may use, in the order in which it does (PL2). */
export function poolsFor<P extends { readonly name: string }>(
  pools: readonly P[],
  { clientId, urgency }: Asker,
): readonly P[] {
  if (pools.length === 1) return pools
  const own = dedicatedName(clientId)
  const order = [own, SHARED, ...(urgency === 'urgent' ? [RESERVED] : [])]
  return order.flatMap((name) => pools.find((pool) => pool.name === name) ?? [])
}

/** The loans that the asker may take: those of pools that are not its own. */
export function loansFor<L extends { readonly lender: string }>(
  loans: readonly L[],
  { clientId, urgency }: Asker,
): readonly L[] {
  if (loans.length === 0) return loans
  const own = dedicatedName(clientId)
  return loans.filter(({ lender }) => lender !== own && (lender !== RESERVED || urgency !== 'urgent'))
}

/** True where each of the part's limits can ever admit `units` at once. */
export function canAdmit({ limits, sizes }: Part, units: number): boolean {
  return firstTooSmall(limits, sizes, units) === null
}

/** A limit that can never admit a demand: its index, what is needed of it, and what it admits at most. */
export type Impossible = { readonly limit: number; readonly needed: number; readonly size: number }

/** The first limit of the widest pool of the asker where none can ever admit `units` (PL4), or null. */
export function impossibleIn(pools: readonly Part[], units: number, asker: Asker): Impossible | null {
  let widest: Impossible | null = null
  for (const { limits, sizes } of poolsFor(pools, asker)) {
    const found = firstTooSmall(limits, sizes, units)
    if (found === null) return null
    if (widest === null || found.size > widest.size) widest = found
  }
  return widest
}

function firstTooSmall(limits: readonly Limit[], sizes: readonly number[], units: number): Impossible | null {
  for (const [index, limit] of limits.entries()) {
    const needed = needOfLimit(limit, units)
    const size = sizes[index] ?? 0
    if (needed > size) return { limit: index, needed, size }
  }
  return null
}
