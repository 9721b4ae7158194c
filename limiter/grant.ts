// The moment of a grant: everything is charged at once, and the lease begins.
//
// T1  A grant charges every resource of the demand, at the decision's time, and leaves the queue in the same step.
// T2  `startBy` is the grant plus the largest J of its resources, never after the lease's end; without J it is that.

import type { Demand } from '../domain/resource.ts'
import {
  charge,
  freeSlots,
  hasSlots,
  poolOf,
  sharedUnits,
  takeSlots,
  type Account,
  type Lease,
} from './account.ts'
import { unitsIn } from './amounts.ts'
import { weigh, type LimiterState } from './book.ts'
import { learnHold, learnWait } from './experience.ts'
import { clientOf, isAtCap, type Client } from './client.ts'
import { costOf, serve } from './order/fairness.ts'
import { earn } from './order/credit.ts'
import { noPlace } from './order/heap.ts'
import { leaseBytes } from './plain-bytes.ts'
import type { Pool } from './pool.ts'
import { changeCap, leaveQueue, noteCap, refreshPoints } from './queue.ts'
import type { Granted, Waiting } from './reservation.ts'

/** Grants it from the pools that were found for it, one by resource. */
export function grant(state: LimiterState, waiting: Waiting, pools: readonly Pool[]): Granted {
  const { nowMs, configVersion } = state
  const { client, shape } = waiting.lane
  const jitterMs = shape.accounts.reduce((most, { resource }) => Math.max(most, resource.jitterMs), 0)
  const expiresAtMs = nowMs + waiting.leaseMs
  const granted: Granted = {
    kind: 'granted',
    id: waiting.id,
    sequence: waiting.sequence,
    clientId: client.id,
    demand: waiting.demand,
    pools: pools.map(({ name }) => name),
    booked: waiting.demand,
    grantedAtMs: nowMs,
    startByMs: jitterMs === 0 ? expiresAtMs : Math.min(expiresAtMs, nowMs + jitterMs),
    expiresAtMs,
    waitedFor: waiting.blocking,
    configVersion,
    leasePlace: noPlace(),
  }
  learnFrom(state, waiting)
  leaveQueue(state, waiting)
  for (const [at, pool] of pools.entries()) {
    const account = shape.accounts[at]
    const reserved = waiting.demand[at]?.[1] ?? 0
    if (account === undefined) continue
    charge(pool, reserved, nowMs)
    earn(account.share.credit, sharedUnits(account, reserved), account.share.terms)
    countLease({ account, pool, reserved }, granted)
  }
  hold(state, client, granted)
  addServed(state, client, costOf(granted.demand, state.accounts))
  return granted
}

/** What it last waited for is what its forecast is held against. */
function learnFrom(
  { accounts, nowMs }: LimiterState,
  { blocking, foreseen, enqueuedAtMs, lane }: Waiting,
): void {
  const account = blocking === null ? undefined : accounts.get(blocking.resourceId)
  if (account === undefined) return
  learnWait(account.experience, { code: foreseen, points: lane.points, waitedMs: nowMs - enqueuedAtMs })
}

/** Counts a lease on its resources and its client; also when a snapshot is taken over. */
export function beginLease(state: LimiterState, granted: Granted): void {
  for (const holding of holdingsOf(state, granted)) countLease(holding, granted)
  hold(state, clientOf(state, granted.clientId), granted)
}

function hold(state: LimiterState, client: Client, granted: Granted): void {
  client.inFlight += 1
  weigh(state, leaseBytes(granted))
  noteCap(state, client)
  state.leases.put(granted)
  state.reservations.set(granted.id, granted)
}

export function countLease({ account, pool, reserved }: Holding, granted: Granted): void {
  account.inFlight += 1
  account.unitsInFlight += reserved
  takeSlots(pool, leaseOf(granted, account))
}

/** Frees the slots and the place under the client's cap; what was charged stays. */
export function endLease(state: LimiterState, granted: Granted): void {
  for (const { account, pool, reserved } of holdingsOf(state, granted)) {
    account.inFlight -= 1
    account.unitsInFlight -= reserved
    freeSlots(pool, leaseOf(granted, account))
    if (hasSlots(pool)) learnHold(account.experience, state.nowMs - granted.grantedAtMs)
  }
  const client = clientOf(state, granted.clientId)
  const wasCapped = isAtCap(client)
  client.inFlight -= 1
  weigh(state, -leaseBytes(granted))
  if (wasCapped) changeCap(state, client)
  state.leases.remove(granted)
  state.reservations.delete(granted.id)
}

/** What a reservation holds of one resource. */
export type Holding = {
  readonly account: Account
  readonly pool: Pool | undefined
  readonly reserved: number
}

/** What it holds of each of its resources; one that was removed is left out. */
export function holdingsOf(
  { accounts }: LimiterState,
  { demand, pools }: Pick<Granted, 'demand' | 'pools'>,
): readonly Holding[] {
  const holdings: Holding[] = []
  for (let at = 0; at < demand.length; at += 1) {
    const [id, reserved] = demand[at] ?? ['', 0]
    const account = accounts.get(id)
    if (account !== undefined) holdings.push({ account, pool: poolOf(account, pools[at] ?? ''), reserved })
  }
  return holdings
}

/** Slots are held for as much as is booked. */
export function leaseOf(granted: Granted, { resource }: Account): Lease {
  return { units: unitsIn(granted.booked, resource.id), untilMs: granted.expiresAtMs }
}

/** Adds to what the client was served: the cost of `more`, less the cost of `less`. */
export function serveClient(state: LimiterState, clientId: string, more: Demand, less: Demand): void {
  addServed(state, clientOf(state, clientId), costOf(more, state.accounts) - costOf(less, state.accounts))
}

function addServed(state: LimiterState, client: Client, cost: number): void {
  client.served = serve(client.served, cost, state.epoch)
  refreshPoints(state, client)
}
