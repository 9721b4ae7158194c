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
import { addOne, isAheadOf, type Spot, type Total } from './order/crowd.ts'
import { firstNot, standingOf, type Shape } from './order/lane.ts'
import { scoreAt, type Standing } from './order/score.ts'
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
  const spot = { ...standing, score: scoreAt(standing.points, standing.enqueuedAtMs, atMs) }
  for (const shape of state.shapes.values()) {
    if (shape.accounts.some(({ resource }) => ahead.has(resource.id))) {
      position += countAhead(shape, spot, atMs, { ahead, capped: state.capped })
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

/** How many of a shape go first; what they want is added to `ahead`. */
function countAhead(
  shape: Shape,
  spot: Spot,
  atMs: number,
  { ahead, capped }: { readonly ahead: ReadonlyMap<string, Ahead>; readonly capped: Iterable<Client> },
): number {
  const total: Total = { count: 0, units: [] }
  for (const crowd of shape.crowds.values()) crowd.countAhead(spot, atMs, total)
  for (const client of capped) discount(client, shape, spot, atMs, total)
  for (const [at, { resource }] of shape.accounts.entries()) {
    const before = ahead.get(resource.id)
    if (before === undefined) continue
    before.units += total.units[at] ?? 0
    before.count += total.count
  }
  return total.count
}

/** Takes back what a client at its cap has ahead: it holds nobody up. */
function discount({ lanes }: Client, shape: Shape, spot: Spot, atMs: number, total: Total): void {
  for (const lane of lanes) {
    if (lane.shape !== shape) continue
    const end = firstNot(lane, (member) => isAheadOf(lane.points, member, spot, atMs))
    for (const member of lane.members.slice(lane.first, end)) addOne(total, member, -1)
  }
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
