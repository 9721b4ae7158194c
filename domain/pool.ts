// Pools: parts of a resource's capacity that are kept for some, carved out of its limits and never added.
//
// PL1  The parts of a limit add up to the limit, so what all pools admit together never exceeds it.
// PL2  Who may use which: a client its dedicated pool first, everybody the shared one, urgent work the reserved one last.
// PL4  A demand is possible if one of the pools that its asker may use can ever admit it whole; admission and the
//      limiter ask the same rule.

import { needOfLimit, partOfLimit, restOfLimit, sizeOfLimit, type Limit } from './limit.ts'
import type { Urgency } from './priority.ts'
import type { Resource } from './resource.ts'

export const SHARED = 'shared'
export const RESERVED = 'reserved'

/** A pool as it is carved: its part of every limit, and the most that each part admits at once. */
export type Part = {
  readonly name: string
  readonly limits: readonly Limit[]
  readonly sizes: readonly number[]
}

/** Who asks, as far as it decides on pools. */
export type Asker = { readonly clientId: string; readonly urgency: Urgency }

export function dedicatedName(clientId: string): string {
  return `dedicated:${clientId}`
}

/** The pools of a resource, the shared one first, then the dedicated ones by client, then the reserved one. */
export function carve({ limits, jitterMs, pools }: Resource): readonly Part[] {
  const { reserved = 0, dedicated = {} } = pools ?? {}
  const parts = new Map([...named(dedicated), [RESERVED, reserved] as const].filter(([, part]) => part > 0))
  const taken = [...parts.values()]
  const shared = limits.map((limit) => taken.reduce((rest, part) => restOfLimit(rest, limit, part), limit))
  const carved = [...parts].map(
    ([name, part]) => [name, limits.map((limit) => partOfLimit(limit, part))] as const,
  )
  return [[SHARED, shared] as const, ...carved].map(([name, limits]) => ({
    name,
    limits,
    sizes: limits.map((limit) => sizeOfLimit(limit, jitterMs)),
  }))
}

function named(dedicated: Readonly<Record<string, number>>): readonly (readonly [string, number])[] {
  return Object.entries(dedicated)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([clientId, part]) => [dedicatedName(clientId), part])
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
