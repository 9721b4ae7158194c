// The pools of an account: what domain/pool.ts carves, each part with its meters.
//
// PL3  A reservation is charged to one pool of each resource, and settled there.

import type { Limit } from '../domain/limit.ts'
import { carve, type Part } from '../domain/pool.ts'
import type { Resource } from '../domain/resource.ts'
import type { Meter } from './limits/meter.ts'
import { openMeter, type Kept } from './limits/open.ts'

export type Pool = Part & { readonly meters: readonly Meter[] }

/** What a pool's meter kept, by pool and index of the limit. */
export type KeptOf = (pool: string, limits: readonly Limit[], index: number) => Kept

/** The pools of a resource, the shared one first. */
export function openPools(resource: Resource, atMs: number, keptOf: KeptOf): readonly Pool[] {
  const { jitterMs } = resource
  return carve(resource).map((part) => ({
    ...part,
    meters: part.limits.map((limit, index) =>
      openMeter({ limit, jitterMs, kept: keptOf(part.name, part.limits, index), atMs }),
    ),
  }))
}
