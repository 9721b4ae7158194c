// Where a reservation stands and when it may start: position, ETA and the limit that decides it.
//
// P1  Position counts from 1: those ahead in the order of now that share a resource, plus one. Clients at their cap
//     hold nobody up and are not counted.
// P2  The ETA is when the last of its limits admits all that is ahead and then itself, if nothing else arrives and
//     nothing is given back early; null where nobody can tell.

import type { Demand } from '../domain/resource.ts'
import type { Account } from './account.ts'
import type { LimiterState } from './book.ts'
import { capName, isAtCap, type Client } from './client.ts'
import type { Blocking } from './effect.ts'
import { firstNot, standingOf, type Lane, type Shape } from './order/lane.ts'
import { isAhead, type Standing } from './order/score.ts'
import type { Waiting } from './reservation.ts'

export type Forecast = {
  readonly position: number
  readonly etaMs: number | null
  /** What decides the ETA; null where it may start now. */
  readonly blocking: Blocking | null
}

export type Candidate = {
  readonly demand: Demand
  readonly standing: Standing
  readonly client: Pick<Client, 'id' | 'inFlight' | 'maxConcurrent'>
}

/** Units and reservations that go first, by resource. */
type Ahead = { units: number; count: number }

export function forecast(state: LimiterState, candidate: Candidate, atMs: number): Forecast {
  const { demand, standing, client } = candidate
  const ahead = new Map<string, Ahead>(demand.map(([id]) => [id, { units: 0, count: 0 }]))
  let position = 1
  for (const shape of state.shapes.values()) {
    if (shape.accounts.some(({ resource }) => ahead.has(resource.id))) {
      position += countAhead(shape, { ahead, standing, atMs })
    }
  }
  if (state.paused) return { position, etaMs: null, blocking: pausedBy(demand) }
  if (isAtCap(client)) return { position, etaMs: null, blocking: cappedBy(client) }
  const blocking = lastToAdmit(state, demand, ahead, atMs)
  return { position, etaMs: blocking === null ? atMs : blocking.untilMs, blocking }
}

export function candidateOf(waiting: Waiting): Candidate {
  return { demand: waiting.demand, standing: standingOf(waiting), client: waiting.lane.client }
}

/** The limit of a demand that admits it last, alone or behind what goes first; null where all admit it at `atMs`. */
export function lastToAdmit(
  state: LimiterState,
  demand: Demand,
  ahead: ReadonlyMap<string, Ahead>,
  atMs: number,
): Blocking | null {
  let last: Blocking | null = null
  for (const [id, units] of demand) {
    const account = state.accounts.get(id)
    if (account === undefined) continue
    for (const blocking of blockingsOf(account, units, ahead.get(id) ?? { units: 0, count: 0 }, atMs)) {
      if (last === null || isLater(blocking.untilMs, last.untilMs)) last = blocking
    }
  }
  return last
}

/** Earliest time at which a demand could start if nobody else waited and all that is in flight came back at once. */
export function earliestStart(accounts: readonly Account[], demand: Demand, atMs: number): number {
  let startAtMs = atMs
  for (const [at, account] of accounts.entries()) {
    const units = demand[at]?.[1] ?? 0
    const refundable = account.resource.refund === 'at-settle' ? account.unitsInFlight : 0
    startAtMs = Math.max(startAtMs, account.closedUntilMs)
    for (const meter of account.meters) {
      startAtMs = Math.max(startAtMs, meter.soonest(meter.countsUnits ? units : 1, refundable, atMs))
    }
  }
  return startAtMs
}

function* blockingsOf(account: Account, units: number, ahead: Ahead, atMs: number): Generator<Blocking> {
  const resourceId = account.resource.id
  if (account.closedUntilMs > atMs) {
    yield { resourceId, limit: 'closed', needed: units, available: 0, untilMs: account.closedUntilMs }
  }
  const fromMs = Math.max(atMs, account.closedUntilMs)
  for (const [limit, meter] of account.meters.entries()) {
    const needed = meter.countsUnits ? units : 1
    const before = meter.countsUnits ? ahead.units : ahead.count
    const untilMs = meter.earliest(needed + before, fromMs)
    if (untilMs === null || untilMs > atMs) {
      yield { resourceId, limit, needed, available: meter.available(atMs), untilMs }
    }
  }
}

type Counting = { readonly ahead: Map<string, Ahead>; readonly standing: Standing; readonly atMs: number }

/** How many of a shape go first; what they want is added to `ahead`. */
function countAhead(shape: Shape, { ahead, standing, atMs }: Counting): number {
  let count = 0
  for (const lane of shape.lanes.values()) {
    if (isAtCap(lane.client)) continue
    const end = firstNot(lane, (member) => isAhead(standingOf(member), standing, atMs))
    if (end === lane.first) continue
    count += end - lane.first
    for (const [at, { resource }] of shape.accounts.entries()) {
      const wanted = ahead.get(resource.id)
      if (wanted === undefined) continue
      wanted.units += unitsUpTo(lane, at, end)
      wanted.count += end - lane.first
    }
  }
  return count
}

/** Units of the demand's entry `at` that the members before index `end` want. */
function unitsUpTo(lane: Lane, at: number, end: number): number {
  const { members, first, totals } = lane
  const fromFront = end - first <= members.length - end
  let sum = 0
  for (let index = fromFront ? first : end; index < (fromFront ? end : members.length); index += 1) {
    sum += members[index]?.demand[at]?.[1] ?? 0
  }
  return fromFront ? sum : (totals[at] ?? 0) - sum
}

function pausedBy(demand: Demand): Blocking {
  const [resourceId, needed] = demand[0] ?? ['', 0]
  return { resourceId, limit: 'paused', needed, available: 0, untilMs: null }
}

function cappedBy({ id, inFlight, maxConcurrent }: Candidate['client']): Blocking {
  const available = Math.max(0, (maxConcurrent ?? 0) - inFlight)
  return { resourceId: capName(id), limit: 'maxConcurrent', needed: 1, available, untilMs: null }
}

function isLater(a: number | null, b: number | null): boolean {
  return b !== null && (a === null || a > b)
}
