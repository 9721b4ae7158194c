// configure: another desired state decides from now on, and what was used is kept.
//
// Z1  Only a newer version is applied; what is older or the same is answered with the version that decides.
// Z2  Usage is kept: windows and slots keep their counts, buckets their deficit (L5); leases go on.
// Z3  What waits for a resource or a tier that is gone, or can never fit any more, is rejected at once.

import { countLease, holdingsOf } from '../grant.ts'
import { lendWithin, openAccount, reopenAccount } from '../account.ts'
import type { LimiterState } from '../book.ts'
import type { Effect, Rejection } from '../effect.ts'
import type { Configure } from '../event.ts'
import { dequeue, enqueue, entryOf } from '../queue.ts'
import { bySequence, type Waiting } from '../reservation.ts'
import { rejectedEffect } from './answer.ts'
import { refusalOf } from './reserve.ts'

export function configure(state: LimiterState, event: Configure): readonly Effect[] {
  const { nowMs } = state
  const effects: Effect[] = []
  if (event.version > state.configVersion) {
    state.configVersion = event.version
    const waiting = waitingOf(state)
    for (const one of waiting) dequeue(state, one)
    changeTiers(state, event)
    changeResources(state, event)
    changeClients(state, event)
    for (const one of waiting) {
      const rejection = requeue(state, event, one)
      if (rejection !== null) effects.push(rejectedEffect(state, one.id, rejection))
    }
  }
  return [{ kind: 'configured', version: state.configVersion, atMs: nowMs }, ...effects]
}

function waitingOf({ reservations }: LimiterState): readonly Waiting[] {
  return [...reservations.values()].filter((found) => found.kind === 'waiting').sort(bySequence)
}

function changeTiers(state: LimiterState, { tiers }: Configure): void {
  for (const [id, tier] of Object.entries(tiers)) {
    if (tier === null) state.tiers.delete(id)
    else state.tiers.set(id, { points: tier.points, weight: tier.weight })
  }
}

function changeResources(state: LimiterState, { resources }: Configure): void {
  const leases = [...state.reservations.values()].filter((found) => found.kind === 'granted').sort(bySequence)
  for (const [id, resource] of Object.entries(resources)) {
    if (resource === null) {
      state.accounts.delete(id)
      continue
    }
    const before = state.accounts.get(id)
    const account =
      before === undefined ? openAccount(resource, state.nowMs) : reopenAccount(before, resource, state.nowMs)
    state.accounts.set(id, account)
    for (const lease of leases) {
      const holding = holdingsOf(state, lease).find((one) => one.account === account)
      if (holding !== undefined) countLease(holding, lease)
    }
    lendWithin(account, state.nowMs)
  }
}

function changeClients(state: LimiterState, { clients }: Configure): void {
  for (const [id, { maxConcurrent }] of Object.entries(clients)) {
    const client = state.clients.get(id)
    if (client !== undefined) client.maxConcurrent = maxConcurrent
  }
}

/** Queues it again under what decides now, or says why it may not (Z3). */
function requeue(state: LimiterState, { clients }: Configure, waiting: Waiting): Rejection | null {
  const entry = entryOf(waiting)
  const tier = clients[entry.clientId]?.tier ?? entry.tier
  const rejection = refusalOf(state, entry.demand, { ...entry, tier })
  if (rejection === null) enqueue(state, { ...entry, tier })
  return rejection
}
