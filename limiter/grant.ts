// The moment of a grant: everything is charged at once, and the lease begins.
//
// T1  A grant charges every resource of the demand, at the decision's time, and leaves the queue in the same step.
// T2  `startBy` is the grant plus the largest J of its resources, never after the lease's end; without J it is that.

import type { Demand, Resource } from '../domain/resource.ts'
import {
  charge,
  freeSlots,
  largestShared,
  sharedUnits,
  sharePartOf,
  takeSlots,
  type Account,
  type Lease,
} from './account.ts'
import type { LimiterState } from './book.ts'
import { isAtCap } from './client.ts'
import { costOf, serve } from './order/fairness.ts'
import { earn } from './order/guaranteed.ts'
import { noPlace } from './order/heap.ts'
import { changeCap, clientOf, dequeue, noteCap, refreshPoints } from './queue.ts'
import type { Granted, Waiting } from './reservation.ts'

export function grant(state: LimiterState, waiting: Waiting): Granted {
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
    booked: new Map(waiting.demand),
    grantedAtMs: nowMs,
    startByMs: jitterMs === 0 ? expiresAtMs : Math.min(expiresAtMs, nowMs + jitterMs),
    expiresAtMs,
    waitedFor: waiting.blocking,
    configVersion,
    leasePlace: noPlace(),
  }
  dequeue(state, waiting)
  for (const account of accountsOf(state, granted.demand)) {
    const units = reservedUnits(granted, account)
    charge(account, units, nowMs)
    earn(account.share, sharedUnits(account, units), sharePartOf(account), largestShared(account))
  }
  beginLease(state, granted)
  serveClient(state, client.id, granted.demand, [])
  return granted
}

/** Counts a lease on its resources and its client; also when a snapshot is taken over. */
export function beginLease(state: LimiterState, granted: Granted): void {
  for (const account of accountsOf(state, granted.demand)) countLease(account, granted)
  const client = clientOf(state, granted.clientId)
  client.inFlight += 1
  noteCap(state, client)
  state.leases.put(granted)
  state.reservations.set(granted.id, granted)
}

export function countLease(account: Account, granted: Granted): void {
  account.inFlight += 1
  account.unitsInFlight += reservedUnits(granted, account)
  takeSlots(account, leaseOf(granted, account))
}

/** Frees the slots and the place under the client's cap; what was charged stays. */
export function endLease(state: LimiterState, granted: Granted): void {
  for (const account of accountsOf(state, granted.demand)) {
    account.inFlight -= 1
    account.unitsInFlight -= reservedUnits(granted, account)
    freeSlots(account, leaseOf(granted, account))
  }
  const client = clientOf(state, granted.clientId)
  const wasCapped = isAtCap(client)
  client.inFlight -= 1
  if (wasCapped) changeCap(state, client)
  state.leases.remove(granted)
  state.reservations.delete(granted.id)
}

/** Adds to what the client was served: the cost of `more`, less the cost of `less`. */
export function serveClient(state: LimiterState, clientId: string, more: Demand, less: Demand): void {
  const client = clientOf(state, clientId)
  const resourceOf = (id: string): Resource | undefined => state.accounts.get(id)?.resource
  client.served = serve(client.served, costOf(more, resourceOf) - costOf(less, resourceOf), state.epoch)
  refreshPoints(state, client)
}

/** The accounts of a demand's resources; one that was removed is left out. */
export function accountsOf(state: LimiterState, demand: Demand): readonly Account[] {
  const accounts: Account[] = []
  for (const [id] of demand) {
    const account = state.accounts.get(id)
    if (account !== undefined) accounts.push(account)
  }
  return accounts
}

export function leaseOf(granted: Granted, { resource }: Account): Lease {
  return { units: granted.booked.get(resource.id) ?? 0, untilMs: granted.expiresAtMs }
}

function reservedUnits({ demand }: Granted, { resource }: Account): number {
  return demand.find(([id]) => id === resource.id)?.[1] ?? 0
}
