// The pools of an account: what domain/pool.ts carves and lends, each part with its meters.
//
// PL3  A reservation is charged to one pool of each resource, and settled there; one that borrows, to the pool and to
//      its loans alike.

import type { Limit } from '../domain/limit.ts'
import { carve, loansOf, type Part } from '../domain/pool.ts'
import type { Resource } from '../domain/resource.ts'
import type { Meter } from './limits/meter.ts'
import { openMeter, type Kept } from './limits/open.ts'

export type Pool = Part & {
  /** All that must admit what is taken of it: its own meters; where it is a loan, after those of the lender. */
  readonly meters: readonly Meter[]
  readonly own: readonly Meter[]
  /** Reservations that wait and may use it by right. */
  waiting: number
}

/** A pool's loans, for those who may not use it by right. */
export type LoanPool = Pool & { readonly lender: string; readonly owner: Pool }

/** What a pool's meter kept, by pool and index of the limit. */
export type KeptOf = (pool: string, limits: readonly Limit[], index: number) => Kept

/** The pools of a resource, the shared one first. */
export function openPools(resource: Resource, atMs: number, keptOf: KeptOf): readonly Pool[] {
  return carve(resource).map((part) => {
    const own = openMeters(part, resource, atMs, keptOf)
    return { ...part, own, meters: own, waiting: 0 }
  })
}

/** What its pools lend. */
export function openLoans(
  resource: Resource,
  pools: readonly Pool[],
  atMs: number,
  keptOf: KeptOf,
): readonly LoanPool[] {
  return loansOf(resource).flatMap((loan) => {
    const owner = pools.find(({ name }) => name === loan.lender)
    const own = openMeters(loan, resource, atMs, keptOf)
    return owner === undefined ? [] : [{ ...loan, owner, own, meters: [...owner.meters, ...own], waiting: 0 }]
  })
}

function openMeters(part: Part, { jitterMs }: Resource, atMs: number, keptOf: KeptOf): readonly Meter[] {
  return part.limits.map((limit, index) =>
    openMeter({ limit, jitterMs, kept: keptOf(part.name, part.limits, index), atMs }),
  )
}

function isLoan(pool: Pool): pool is LoanPool {
  return 'owner' in pool
}

/** False where it is lent and its owner waits: nothing is taken of it then. */
export function isOpen(pool: Pool): boolean {
  return !isLoan(pool) || pool.owner.waiting === 0
}

/** Counts those who wait for pools by right; loans are nobody's. */
export function countWaiting(pools: readonly Pool[], more: 1 | -1): void {
  for (const pool of pools) if (!isLoan(pool)) pool.waiting += more
}
