// Whether a head may start now: every limit of every resource, and nobody better is made to wait longer by it.
//
// J1  All or nothing: it starts only if each of its resources has a pool for it whose every limit admits it.
// J2  The best blocked head of a pool has it reserved, and so has whom its guaranteed share serves next: another may
//     take only what leaves the start that is foreseen for them where it is (backfill at zero delay).
// J3  What holds it back is the limit that lets it pass last, in the pool that lets it pass first; ties go to the first
//     resource, then the first limit.

import type { Demand } from '../../domain/resource.ts'
import { leftIn, type Account } from '../account.ts'
import type { Blocking } from '../effect.ts'
import { needOf, type Meter, type Use } from '../limits/meter.ts'
import { firstTime } from '../limits/threshold.ts'
import { isOpen, type Pool } from '../pool.ts'
import type { Waiting } from '../reservation.ts'

/** What somebody will take of a pool, and when: the best head that is blocked, or whom a guaranteed share serves next. */
export type Claim = {
  readonly kind: 'best' | 'next'
  readonly by: Waiting
  readonly units: number
  readonly startAtMs: number
  /** It would start earlier, but for what others had claimed before. */
  readonly isHeldByClaims: boolean
}

/** In the order in which they were made; those before one's own count. */
export type ClaimsOn = (pool: Pool) => readonly Claim[]

/** A use that begins now, by somebody. */
export type Trial = Use & { readonly asker: Waiting; readonly claimsOn: ClaimsOn }

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
      readonly isHeldByClaims: boolean
      /** When another of the pools of a want opens, so that it may be taken from there; null where none will. */
      readonly changesMs: number | null
    }

export function judge(wants: readonly Want[], trial: Trial): Verdict {
  const pools: Pool[] = []
  let blocking: Blocking | null = null
  let ownMs: number | null = trial.atMs
  let changesMs: number | null = null
  for (const want of wants) {
    const { pool, held, othersMs } = bestPool(want, trial)
    changesMs = earlierOf(changesMs, othersMs)
    if (pool !== undefined) pools.push(pool)
    if (held === null) continue
    if (blocking === null || isLater(held.blocking.untilMs, blocking.untilMs)) blocking = held.blocking
    ownMs = laterOf(ownMs, held.ownMs)
  }
  if (blocking === null) return { kind: 'fits', pools }
  const startAtMs = blocking.untilMs
  const isHeldByClaims = isLater(startAtMs, ownMs)
  return { kind: 'blocked', pools, blocking, startAtMs, isHeldByClaims, changesMs }
}

/** `ownMs`: when the limits alone, without others' claims, would let it pass; null where nobody can tell. */
type Held = { readonly blocking: Blocking; readonly ownMs: number | null }

type PoolChoice = {
  readonly pool: Pool | undefined
  readonly held: Held | null
  /** When the first of the others opens that hold it back as well. */
  readonly othersMs: number | null
}

/** The first pool that admits the want, else the one that will first, and what holds it back there. */
function bestPool({ account, pools, units }: Want, trial: Trial): PoolChoice {
  let pool: Pool | undefined
  let held = closedFor(account, units, trial.atMs)
  let othersMs: number | null = null
  for (const one of pools) {
    if (!isOpen(one)) continue
    const heldThere = heldIn({ account, pool: one, units }, trial)
    const [bestMs, thereMs] = [held?.blocking.untilMs ?? null, heldThere?.blocking.untilMs ?? null]
    if (pool !== undefined && heldThere !== null && !isLater(bestMs, thereMs)) {
      othersMs = earlierOf(othersMs, thereMs)
      continue
    }
    if (pool !== undefined) othersMs = earlierOf(othersMs, bestMs)
    pool = one
    held = heldThere
    if (held === null) break
  }
  return { pool, held, othersMs }
}

/** What holds back whatever wants the resource, in every pool: null where it is open. */
function closedFor(
  { resource, closedUntilMs: untilMs }: Account,
  needed: number,
  nowMs: number,
): Held | null {
  if (untilMs <= nowMs) return null
  return {
    blocking: { resourceId: resource.id, limit: 'closed', needed, available: 0, untilMs },
    ownMs: untilMs,
  }
}

type PoolWant = { readonly account: Account; readonly pool: Pool; readonly units: number }

function heldIn({ account, pool, units }: PoolWant, trial: Trial): Held | null {
  const { atMs } = trial
  const closed = closedFor(account, units, atMs)
  let blocking = closed?.blocking ?? null
  let ownMs: number | null = closed?.ownMs ?? atMs
  for (let limit = 0; limit < pool.meters.length; limit += 1) {
    const meter = pool.meters[limit]
    if (meter === undefined) continue
    const needed = needOf(meter, units)
    const available = leftIn(account, meter, limit, atMs)
    const misses = needed > available
    const claimedMs = claimedUntil(meter, needed, pool, trial)
    if (!misses && claimedMs === atMs) continue
    const meterMs = misses ? laterThan(atMs, meter.earliest(needed, atMs)) : atMs
    ownMs = laterOf(ownMs, meterMs)
    const untilMs = laterOf(meterMs, claimedMs)
    if (blocking !== null && !isLater(untilMs, blocking.untilMs)) continue
    const resourceId = account.resource.id
    blocking = { resourceId, limit: limit % pool.limits.length, needed, available, untilMs }
  }
  return blocking === null ? null : { blocking, ownMs }
}

/** When those have started whose start a use of `needed` would move; now where it moves none. */
function claimedUntil(meter: Meter, needed: number, pool: Pool, trial: Trial): number {
  let untilMs = trial.atMs
  let hasOwn = false
  for (const { by, units, startAtMs, isHeldByClaims } of trial.claimsOn(pool)) {
    if (by === trial.asker) hasOwn = true
    if (by === trial.asker || startAtMs <= untilMs) continue
    // Two that let each other go first would both wait.
    if (hasOwn && isHeldByClaims) continue
    if (needed > meter.spare(needOf(meter, units), startAtMs, trial)) untilMs = startAtMs
  }
  return untilMs
}

/**
 * When another's claim begins to hold a head back beyond `startAtMs`, its foreseen start: a use that ends before that
 * claim's start now does not from then on. Null where none will. What the head keeps for itself moves then, and others
 * may start.
 */
export function movesAtMs(
  pools: readonly Pool[],
  demand: Demand,
  { startAtMs, trial }: { readonly startAtMs: number; readonly trial: Trial },
): number | null {
  const forMs = trial.untilMs - trial.atMs
  let movesMs: number | null = null
  for (const [at, pool] of pools.entries()) {
    for (const claim of trial.claimsOn(pool)) {
      if (claim.by === trial.asker) break
      if (claim.startAtMs <= startAtMs) continue
      for (const meter of pool.meters) {
        const needed = needOf(meter, demand[at]?.[1] ?? 0)
        const need = needOf(meter, claim.units)
        const holds = (atMs: number): boolean =>
          needed > meter.spare(need, claim.startAtMs, { atMs, untilMs: atMs + forMs })
        if (!holds(startAtMs)) continue
        const fromMs = firstTime(trial.atMs, startAtMs, holds)
        if (movesMs === null || fromMs < movesMs) movesMs = fromMs
      }
    }
  }
  return movesMs
}

/** When anybody could take anything of one of the pools: `atMs` where somebody may now; null where nobody can tell. */
export function opensAt({ account, pools }: Want, trial: Trial): number | null {
  let opensMs: number | null = null
  for (const pool of pools) {
    if (!isOpen(pool)) continue
    let poolMs: number | null = Math.max(trial.atMs, account.closedUntilMs)
    for (const meter of pool.meters) {
      if (meter.available(trial.atMs) < 1) poolMs = laterOf(poolMs, meter.earliest(1, trial.atMs))
      poolMs = laterOf(poolMs, claimedUntil(meter, 1, pool, trial))
    }
    if (poolMs !== null && (opensMs === null || poolMs < opensMs)) opensMs = poolMs
  }
  return opensMs
}

/** Later; a time that nobody can tell is the latest. */
export function isLater(a: number | null, b: number | null): boolean {
  return b !== null && (a === null || a > b)
}

function laterOf(a: number | null, b: number | null): number | null {
  return isLater(a, b) ? a : b
}

/** The earlier of two times; one that nobody can tell is none. */
function earlierOf(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : Math.min(a, b)
}

/** Null where it is now, although it does not fit: slots of other pools are in the way, and nobody can tell how long. */
function laterThan(nowMs: number, untilMs: number | null): number | null {
  return untilMs === nowMs ? null : untilMs
}
