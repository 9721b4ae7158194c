// Where a reservation stands and when it may start: position, ETA and the limit that decides it.
//
// P1  Position counts from 1: those ahead in the order of now that share a resource, plus one. Clients at their cap
//     hold nobody up and are not counted.
// P2  The limit that decides is the last to admit all that is ahead and then itself, if nobody else arrives and nothing
//     is given back early; slots come free as they usually do, at the latest as leases end.
// P3  The ETA is that time, stretched by what such forecasts left out before (experience.ts); null where nobody can tell.

import type { Account } from './account.ts'
import type { LimiterState } from './book.ts'
import { capName, isAtCap, type Client } from './client.ts'
import type { Blocking } from './effect.ts'
import { stretched, usuallyFreeMs } from './experience.ts'
import { needOf, type Meter } from './limits/meter.ts'
import { isLater, type Want } from './order/judge.ts'
import { standingOf, wantsOf, type Shape } from './order/lane.ts'
import type { Spot, Total } from './order/line.ts'
import { scoreAt, type Standing } from './order/score.ts'
import { isOpen, type Pool } from './pool.ts'
import type { Waiting } from './reservation.ts'

export type Forecast = {
  readonly position: number
  readonly etaMs: number | null
  /** What decides the ETA, before it is stretched; null where it may start now. */
  readonly blocking: Blocking | null
}

export type Candidate = {
  readonly wants: readonly Want[]
  readonly standing: Standing
  readonly client: Pick<Client, 'id' | 'inFlight' | 'maxConcurrent'>
  /** What it was last seen to wait for: it may fit and still be held back for others. */
  readonly seen: Blocking | null
}

/** Units and reservations that go first, by pool; one that may use several counts in each of them. */
export type Ahead = Map<Pool, { units: number; count: number }>

export function forecast(state: LimiterState, candidate: Candidate, atMs: number): Forecast {
  const { wants, standing, client, seen } = candidate
  const ahead: Ahead = new Map()
  for (const { pools } of wants) for (const pool of pools) ahead.set(pool, { units: 0, count: 0 })
  let position = 1
  const spot = { ...standing, score: scoreAt(standing.points, standing.enqueuedAtMs, atMs) }
  for (const shape of state.shapes.values()) {
    if (shape.pools.some((pools) => pools.some((pool) => ahead.has(pool)))) {
      position += countAhead(shape, spot, atMs, { ahead, capped: state.capped })
    }
  }
  if (state.paused) return { position, etaMs: null, blocking: pausedBy(wants) }
  if (isAtCap(client)) return { position, etaMs: null, blocking: cappedBy(client) }
  const blocking = lastToAdmit(wants, ahead, atMs) ?? seen
  return { position, etaMs: toldMs(state, blocking, standing.points, atMs), blocking }
}

/** P3. */
export function toldMs(
  { accounts }: LimiterState,
  blocking: Blocking | null,
  points: number,
  atMs: number,
): number | null {
  if (blocking === null) return atMs
  const { resourceId, untilMs } = blocking
  const account = accounts.get(resourceId)
  if (account === undefined || untilMs === null || untilMs <= atMs) return untilMs
  return atMs + stretched(account.experience, points, untilMs - atMs)
}

export function candidateOf(waiting: Waiting): Candidate {
  return {
    wants: wantsOf(waiting),
    standing: standingOf(waiting),
    client: waiting.lane.client,
    seen: waiting.blocking,
  }
}

/** The limit that admits the wants last, behind what goes first; null where all admit them at `atMs`. */
export function lastToAdmit(wants: readonly Want[], ahead: Ahead, atMs: number): Blocking | null {
  let last: Blocking | null = null
  for (const want of wants) {
    const blocking = firstToAdmit(want, ahead, atMs)
    if (blocking !== null && (last === null || isLater(blocking.untilMs, last.untilMs))) last = blocking
  }
  return last
}

/** What holds the want back in the pool that admits it first; null where one does at `atMs`. */
function firstToAdmit({ account, pools, units }: Want, ahead: Ahead, atMs: number): Blocking | null {
  let first: Blocking | null = null
  for (const pool of pools) {
    if (!isOpen(pool)) continue
    const before = ahead.get(pool) ?? { units: 0, count: 0 }
    const blocking = lastInPool({ account, pool, units }, before, atMs)
    if (blocking === null) return null
    if (first === null || isLater(first.untilMs, blocking.untilMs)) first = blocking
  }
  return first
}

type PoolWant = { readonly account: Account; readonly pool: Pool; readonly units: number }

function lastInPool(
  { account, pool, units }: PoolWant,
  before: { readonly units: number; readonly count: number },
  atMs: number,
): Blocking | null {
  const resourceId = account.resource.id
  const { closedUntilMs } = account
  let last: Blocking | null =
    closedUntilMs > atMs
      ? { resourceId, limit: 'closed', needed: units, available: 0, untilMs: closedUntilMs }
      : null
  for (const [limit, meter] of pool.meters.entries()) {
    const needed = needOf(meter, units)
    const all = needed + (meter.countsUnits ? before.units : before.count)
    const untilMs = admits(account, meter, all, Math.max(atMs, closedUntilMs))
    if (untilMs !== null && untilMs <= atMs) continue
    if (last === null || isLater(untilMs, last.untilMs)) {
      last = {
        resourceId,
        limit: limit % pool.limits.length,
        needed,
        available: meter.available(atMs),
        untilMs,
      }
    }
  }
  return last
}

function admits({ experience }: Account, meter: Meter, need: number, atMs: number): number | null {
  const untilMs = meter.earliest(need, atMs)
  const usualMs = meter.kind === 'slots' ? usuallyFreeMs(experience, meter, need, atMs) : null
  return usualMs === null || isLater(usualMs, untilMs) ? untilMs : usualMs
}

/** Earliest time at which the wants could start if nobody else waited and all that is in flight came back at once. */
export function earliestStart(wants: readonly Want[], atMs: number): number {
  let startAtMs = atMs
  for (const { account, pools, units } of wants) {
    const refundable = account.resource.refund === 'at-settle' ? account.unitsInFlight : 0
    const inPools = pools.map(({ meters }) =>
      Math.max(0, ...meters.map((meter) => meter.soonest(needOf(meter, units), refundable, atMs))),
    )
    startAtMs = Math.max(startAtMs, account.closedUntilMs, Math.min(...inPools))
  }
  return startAtMs
}

/** How many of a shape go first; what they want is added to `ahead`. */
function countAhead(
  shape: Shape,
  spot: Spot,
  atMs: number,
  { ahead, capped }: { readonly ahead: Ahead; readonly capped: Iterable<Client> },
): number {
  const total: Total = { count: 0, units: [] }
  for (const [points, line] of shape.lines) line.countAhead(spot, { points, nowMs: atMs }, total, 1)
  for (const { lanes } of capped) {
    // A client at its cap holds nobody up.
    for (const { line, points, shape: own } of lanes) {
      if (own === shape) line.countAhead(spot, { points, nowMs: atMs }, total, -1)
    }
  }
  for (const [at, pools] of shape.pools.entries()) {
    for (const pool of pools) {
      const before = ahead.get(pool)
      if (before === undefined) continue
      before.units += total.units[at] ?? 0
      before.count += total.count
    }
  }
  return total.count
}

function pausedBy(wants: readonly Want[]): Blocking {
  const [first] = wants
  return {
    resourceId: first?.account.resource.id ?? '',
    limit: 'paused',
    needed: first?.units ?? 0,
    available: 0,
    untilMs: null,
  }
}

function cappedBy({ id, inFlight, maxConcurrent }: Candidate['client']): Blocking {
  const available = Math.max(0, (maxConcurrent ?? 0) - inFlight)
  return { resourceId: capName(id), limit: 'maxConcurrent', needed: 1, available, untilMs: null }
}
