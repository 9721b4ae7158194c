// Pools: parts of a resource's capacity that are kept for some, carved out of its limits and never added.
//
// PL1  The parts of a limit add up to the limit, so what all pools admit together never exceeds it.
// PL2  Who may use which: a client its dedicated pool first, everybody the shared one, urgent work the reserved one last.
//      Nobody else takes anything of a pool, so a burst of others never reaches its owner.
// PL3  A reservation is charged to one pool of each resource, and settled there.

import type { Limit } from '../domain/limit.ts'
import type { Urgency } from '../domain/priority.ts'
import type { Resource } from '../domain/resource.ts'
import type { Meter } from './limits/meter.ts'
import { openMeter, type Kept } from './limits/open.ts'

export const SHARED = 'shared'
export const RESERVED = 'reserved'
const WHOLE = 10_000

export type Pool = {
  readonly name: string
  readonly limits: readonly Limit[]
  readonly meters: readonly Meter[]
}

/** Who asks, as far as it decides on pools. */
export type Asker = { readonly clientId: string; readonly urgency: Urgency }

/** What a pool's meter kept, by pool and index of the limit. */
export type KeptOf = (pool: string, limits: readonly Limit[], index: number) => Kept

export function dedicatedName(clientId: string): string {
  return `dedicated:${clientId}`
}

/** The pools of a resource, the shared one first. */
export function openPools(resource: Resource, atMs: number, keptOf: KeptOf): readonly Pool[] {
  const { reserved = 0, dedicated = {} } = resource.pools ?? {}
  const parts = new Map([...named(dedicated), [RESERVED, reserved] as const].filter(([, part]) => part > 0))
  const taken = [...parts.values()]
  const shared = {
    name: SHARED,
    limits: resource.limits.map((limit) => taken.reduce((rest, part) => less(rest, limit, part), limit)),
  }
  const carved = [...parts].map(([name, part]) => ({
    name,
    limits: resource.limits.map((limit) => cut(limit, part)),
  }))
  return [shared, ...carved].map(({ name, limits }) => ({
    name,
    limits,
    meters: limits.map((limit, index) =>
      openMeter({ limit, jitterMs: resource.jitterMs, kept: keptOf(name, limits, index), atMs }),
    ),
  }))
}

function named(dedicated: Readonly<Record<string, number>>): readonly (readonly [string, number])[] {
  return Object.entries(dedicated)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([clientId, part]) => [dedicatedName(clientId), part])
}

/** The part of a limit, rounded down; a refill rate is exact. */
function cut(limit: Limit, part: number): Limit {
  switch (limit.type) {
    case 'token-bucket':
      return {
        type: 'token-bucket',
        capacity: partOf(limit.capacity, part),
        refillUnits: limit.refillUnits * part,
        refillMs: limit.refillMs * WHOLE,
      }
    case 'sliding-window':
      return { ...limit, units: partOf(limit.units, part) }
    case 'fixed-window':
      return { ...limit, units: partOf(limit.units, part) }
    case 'concurrency':
      return { ...limit, slots: partOf(limit.slots, part) }
    default:
      return limit satisfies never
  }
}

/** What is left of `rest` when a part of the whole limit is cut out. */
function less(rest: Limit, whole: Limit, part: number): Limit {
  const out = cut(whole, part)
  if (rest.type === 'token-bucket' && out.type === 'token-bucket') {
    const refill = rest.refillMs === out.refillMs ? rest.refillUnits : rest.refillUnits * WHOLE
    return { ...out, capacity: rest.capacity - out.capacity, refillUnits: refill - out.refillUnits }
  }
  if (rest.type === 'sliding-window' && out.type === 'sliding-window')
    return { ...rest, units: rest.units - out.units }
  if (rest.type === 'fixed-window' && out.type === 'fixed-window')
    return { ...rest, units: rest.units - out.units }
  if (rest.type === 'concurrency' && out.type === 'concurrency')
    return { ...rest, slots: rest.slots - out.slots }
  return rest
}

function partOf(units: number, part: number): number {
  return Math.floor((units * part) / WHOLE)
}

/** The pools that the asker may use, in the order in which it does (PL2). */
export function poolsFor(pools: readonly Pool[], { clientId, urgency }: Asker): readonly Pool[] {
  if (pools.length === 1) return pools
  const own = dedicatedName(clientId)
  const order = [own, SHARED, ...(urgency === 'urgent' ? [RESERVED] : [])]
  return order.flatMap((name) => pools.find((pool) => pool.name === name) ?? [])
}
