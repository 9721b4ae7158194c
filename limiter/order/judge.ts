// Whether a head may start now: every limit of every resource, and nobody better is made to wait longer by it.
//
// J1  All or nothing: it starts only if each of its resources has a pool for it whose every limit admits it.
// J2  The best blocked head of a pool has it reserved: another may take only what leaves the start that is foreseen
//     for that head where it is (backfill at zero delay).
// J3  What holds it back is the limit that lets it pass last, in the pool that lets it pass first; ties go to the first
//     resource, then the first limit.

import { leftIn, type Account } from '../account.ts'
import type { Blocking } from '../effect.ts'
import { needOf, type Meter, type Use } from '../limits/meter.ts'
import type { Pool } from '../pool.ts'

/** What a blocked head will take of a pool, and when. */
export type Reserved = { readonly units: number; readonly startAtMs: number }

/** Units wanted of a resource, from the first of the pools that has them. */
export type Want = { readonly account: Account; readonly pools: readonly Pool[]; readonly units: number }

/** `pools`: by want, the one that has it, or will have it first. */
export type Verdict =
  | { readonly kind: 'fits'; readonly pools: readonly Pool[] }
  | {
      readonly kind: 'blocked'
      readonly pools: readonly Pool[]
      readonly blocking: Blocking
      readonly startAtMs: number | null
    }

export type ReservedOf = (pool: Pool) => Reserved | undefined

export function judge(wants: readonly Want[], use: Use, reservedOf: ReservedOf): Verdict {
  const pools: Pool[] = []
  let held: Blocking | null = null
  for (const want of wants) {
    const { pool, blocking } = bestPool(want, use, reservedOf)
    if (pool !== undefined) pools.push(pool)
    if (blocking !== null && (held === null || isLater(blocking.untilMs, held.untilMs))) held = blocking
  }
  return held === null
    ? { kind: 'fits', pools }
    : { kind: 'blocked', pools, blocking: held, startAtMs: held.untilMs }
}

type PoolChoice = { readonly pool: Pool | undefined; readonly blocking: Blocking | null }

/** The first pool that admits the want, else the one that will first, and what holds it back there. */
function bestPool({ account, pools, units }: Want, use: Use, reservedOf: ReservedOf): PoolChoice {
  const { closedUntilMs, resource } = account
  const closed: Blocking | null =
    closedUntilMs > use.atMs
      ? { resourceId: resource.id, limit: 'closed', needed: units, available: 0, untilMs: closedUntilMs }
      : null
  let best: PoolChoice = { pool: undefined, blocking: null }
  for (const pool of pools) {
    const blocking = heldIn({ account, pool, units, held: closed }, use, reservedOf(pool))
    if (blocking === null) return { pool, blocking }
    if (best.blocking === null || isLater(best.blocking.untilMs, blocking.untilMs)) best = { pool, blocking }
  }
  return best
}

type PoolWant = {
  readonly account: Account
  readonly pool: Pool
  readonly units: number
  /** What holds it back in every pool. */
  readonly held: Blocking | null
}

function heldIn(want: PoolWant, use: Use, reserved: Reserved | undefined): Blocking | null {
  const { account, pool, units } = want
  const resourceId = account.resource.id
  let { held } = want
  for (let limit = 0; limit < pool.meters.length; limit += 1) {
    const meter = pool.meters[limit]
    if (meter === undefined) continue
    const needed = needOf(meter, units)
    const available = leftIn(account, meter, limit, use.atMs)
    const misses = needed > available
    const isInTheWay = reserved !== undefined && needed > spareOf(meter, reserved, use)
    if (!misses && !isInTheWay) continue
    const ownMs = misses ? laterThan(use.atMs, meter.earliest(needed, use.atMs)) : use.atMs
    const untilMs = isInTheWay ? laterOf(ownMs, reserved.startAtMs) : ownMs
    if (held === null || isLater(untilMs, held.untilMs))
      held = { resourceId, limit, needed, available, untilMs }
  }
  return held
}

/** When anybody could take anything of one of the pools: `use.atMs` where somebody may now; null where nobody can tell. */
export function opensAt({ account, pools }: Want, use: Use, reservedOf: ReservedOf): number | null {
  let opensMs: number | null = null
  for (const pool of pools) {
    const reserved = reservedOf(pool)
    let poolMs: number | null = Math.max(use.atMs, account.closedUntilMs)
    for (const meter of pool.meters) {
      if (meter.available(use.atMs) < 1) poolMs = laterOf(poolMs, meter.earliest(1, use.atMs))
      if (reserved !== undefined && spareOf(meter, reserved, use) < 1)
        poolMs = laterOf(poolMs, reserved.startAtMs)
    }
    if (poolMs !== null && (opensMs === null || poolMs < opensMs)) opensMs = poolMs
  }
  return opensMs
}

function spareOf(meter: Meter, { units, startAtMs }: Reserved, use: Use): number {
  return meter.spare(needOf(meter, units), startAtMs, use)
}

/** Later; a time that nobody can tell is the latest. */
export function isLater(a: number | null, b: number | null): boolean {
  return b !== null && (a === null || a > b)
}

function laterOf(a: number | null, b: number | null): number | null {
  return isLater(a, b) ? a : b
}

/** Null where it is now, although it does not fit: slots of other pools are in the way, and nobody can tell how long. */
function laterThan(nowMs: number, untilMs: number | null): number | null {
  return untilMs === nowMs ? null : untilMs
}
