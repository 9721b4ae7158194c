// Who waits: reservations enter and leave the lanes, and nothing is kept of a lane, shape or client without any.
//
// Q1  A waiting reservation is in exactly one lane, in the heap of deadlines, and counted by each of its resources.

import { canAdmit, loansFor, poolsFor, type Asker } from '../domain/pool.ts'
import { FAIRNESS_POINTS_MAX, type Urgency } from '../domain/priority.ts'
import type { Demand } from '../domain/resource.ts'
import type { Account } from './account.ts'
import { weigh, type LimiterState } from './book.ts'
import { clientOf, forgetClient, isAtCap, isIdle, type Client } from './client.ts'
import type { Blocking } from './effect.ts'
import { startClock } from './order/credit.ts'
import { noPlace } from './order/heap.ts'
import { epochOf, fairnessPoints, servedAt } from './order/fairness.ts'
import { changeStarving, joinShare, leaveShare, rebase } from './order/guaranteed.ts'
import {
  addMember,
  changePoints,
  headOf,
  lanePoints,
  laneWith,
  newLane,
  newShape,
  placeLane,
  removeMember,
  setAside,
  type Lane,
  type LaneTraits,
  type Shape,
} from './order/lane.ts'
import type { Want } from './order/judge.ts'
import { isStarvingAt } from './order/score.ts'
import { laneBytesOf, memberBytes } from './plain-bytes.ts'
import { countWaiting, type Pool } from './pool.ts'
import type { Waiting } from './reservation.ts'

export type Entry = {
  readonly id: string
  readonly sequence: number
  readonly clientId: string
  readonly tier: string
  readonly urgency: Urgency
  readonly boost: number
  readonly demand: Demand
  readonly enqueuedAtMs: number
  readonly waitUntilMs: number
  readonly leaseMs: number
  readonly blocking: Blocking | null
  readonly foreseen: number
}

/** Places a reservation whose resources are all known in the queue. */
export function enqueue(state: LimiterState, entry: Entry): Waiting {
  const { id, sequence, demand, enqueuedAtMs, waitUntilMs, leaseMs, blocking, foreseen } = entry
  const shape = shapeOf(state, demand, entry)
  const client = clientOf(state, entry.clientId)
  const lane = laneOf(state, { ...entry, shape, client })
  const waiting: Waiting = {
    kind: 'waiting',
    id,
    sequence,
    demand,
    enqueuedAtMs,
    waitUntilMs,
    deadlineMs: deadlineOf(shape.accounts, enqueuedAtMs, waitUntilMs),
    leaseMs,
    lane,
    blocking,
    foreseen,
    deadlinePlace: noPlace(),
  }
  countIn(state, shape, 1)
  weigh(state, memberBytes(waiting))
  addMember(lane, waiting)
  place(state, lane)
  state.deadlines.put(waiting)
  state.reservations.set(id, waiting)
  return waiting
}

/** Takes a waiting reservation out of the queue, and forgets it: it gave up, or was refused. */
export function dequeue(state: LimiterState, waiting: Waiting): void {
  leaveQueue(state, waiting)
  state.reservations.delete(waiting.id)
}

/** Takes it out of the queue; it stays known. */
export function leaveQueue(state: LimiterState, waiting: Waiting): void {
  const { lane } = waiting
  countIn(state, lane.shape, -1)
  weigh(state, -memberBytes(waiting))
  removeMember(lane, waiting)
  place(state, lane)
  state.deadlines.remove(waiting)
  dropIfEmpty(state, lane)
}

function countIn({ nowMs }: LimiterState, { accounts, pools }: Shape, more: 1 | -1): void {
  for (const account of accounts) {
    if (account.waiting === 0) startClock(account.share.credit, nowMs)
    account.waiting += more
  }
  for (const mayUse of pools) countWaiting(mayUse, more)
}

/** Moves a waiting reservation to the lane of another boost. */
export function changeBoost(state: LimiterState, waiting: Waiting, boost: number): void {
  const before = waiting.lane
  removeMember(before, waiting)
  place(state, before)
  const lane = laneOf(state, { ...before, boost })
  waiting.lane = lane
  addMember(lane, waiting)
  place(state, lane)
  dropIfEmpty(state, before)
}

/** What identifies a waiting reservation, for queueing it anew under another configuration. */
export function entryOf(waiting: Waiting): Entry {
  const { client, tier, urgency, boost } = waiting.lane
  return { ...waiting, clientId: client.id, tier, urgency, boost }
}

/** The time at which it gives up: as asked, or after the shortest `maxWaitMs` of its resources. */
function deadlineOf(accounts: readonly Account[], enqueuedAtMs: number, waitUntilMs: number): number {
  return accounts.reduce(
    (untilMs, { resource }) => Math.min(untilMs, enqueuedAtMs + resource.maxWaitMs),
    waitUntilMs,
  )
}

function shapeOf(state: LimiterState, demand: Demand, asker: Asker): Shape {
  const wants = wantsFor(state, demand, asker)
  // Pools are named in the key where there are any to choose from.
  const key = wants
    .map(({ account, pools }) =>
      [account.resource.id, ...(account.pools.length > 1 ? pools.map(({ name }) => name) : [])].join('\t'),
    )
    .join('\n')
  const known = state.shapes.get(key)
  if (known !== undefined) return known
  const shape = newShape({
    key,
    accounts: wants.map(({ account }) => account),
    pools: wants.map(({ pools }) => pools),
  })
  state.shapes.set(key, shape)
  return shape
}

/** What a demand wants of the resources that are known, and where the asker may take it from. */
export function wantsFor({ accounts }: LimiterState, demand: Demand, asker: Asker): readonly Want[] {
  const wants: Want[] = []
  for (const [id, units] of demand) {
    const account = accounts.get(id)
    if (account === undefined) continue
    wants.push({ account, pools: poolsThatMay(account, units, asker), units })
  }
  return wants
}

/** In the order in which they are tried (PL2, PL5); one that is too small for it is none (PL4). */
function poolsThatMay({ pools, loans }: Account, units: number, asker: Asker): readonly Pool[] {
  if (pools.length === 1) return pools
  return [...poolsFor(pools, asker), ...loansFor(loans, asker)].filter((pool) => canAdmit(pool, units))
}

function laneOf(state: LimiterState, traits: LaneTraits): Lane {
  const known = laneWith(traits)
  if (known !== undefined) return known
  const lane = newLane(traits, state.tiers.get(traits.tier)?.points ?? 0)
  traits.shape.lanes.add(lane)
  traits.client.lanes.add(lane)
  weigh(state, laneBytesOf(lane))
  noteRecovery(state, traits.client)
  noteCap(state, traits.client)
  if (!isAtCap(traits.client)) joinShares(lane)
  // A lane that was emptied a moment ago took its shape with it.
  state.shapes.set(traits.shape.key, traits.shape)
  return lane
}

function dropIfEmpty(state: LimiterState, lane: Lane): void {
  if (lane.line.length > 0) return
  lane.shape.lanes.delete(lane)
  lane.client.lanes.delete(lane)
  weigh(state, -laneBytesOf(lane))
  noteRecovery(state, lane.client)
  leaveShares(lane)
  noteCap(state, lane.client)
  if (lane.shape.lanes.size === 0) state.shapes.delete(lane.shape.key)
}

/** The client's cap or what it holds has changed: its lanes compete, or no longer do. */
export function changeCap(state: LimiterState, client: Client): void {
  noteCap(state, client)
  for (const lane of client.lanes) place(state, lane)
}

/** Takes note of whether the client is at its cap; its lanes compete for nothing then. */
export function noteCap(state: LimiterState, client: Client): void {
  const { capped } = state
  const isCapped = isAtCap(client) && client.lanes.size > 0
  if (isCapped === capped.has(client)) return
  if (isCapped) {
    capped.add(client)
    for (const lane of client.lanes) {
      leaveShares(lane)
      withdraw(state, lane)
    }
  } else {
    capped.delete(client)
    for (const lane of client.lanes) joinShares(lane)
  }
}

function withdraw({ rekeys }: LimiterState, lane: Lane): void {
  setAside(lane)
  rekeys.remove(lane)
}

function joinShares(lane: Lane): void {
  for (const { share } of lane.shape.accounts) joinShare(share, lane)
}

function leaveShares(lane: Lane): void {
  for (const { share } of lane.shape.accounts) leaveShare(share, lane)
}

/** Puts a lane where its head belongs now: by score, by its next mark, and among those who starve. */
export function place(state: LimiterState, lane: Lane): void {
  if (isAtCap(lane.client)) {
    withdraw(state, lane)
    return
  }
  const { rekeys, nowMs } = state
  placeLane(lane, rekeys, nowMs)
  const head = headOf(lane)
  const isStarving = head !== undefined && isStarvingAt(head.enqueuedAtMs, nowMs)
  if (isStarving === lane.isStarving) return
  for (const { share } of lane.shape.accounts) changeStarving(share, lane)
  lane.isStarving = isStarving
}

function noteRecovery({ recovering }: LimiterState, client: Client): void {
  if (client.points < FAIRNESS_POINTS_MAX && client.lanes.size > 0) recovering.add(client)
  else recovering.delete(client)
}

/** Brings a client's fairness points up to date; its lanes move where they changed. */
export function refreshPoints(state: LimiterState, client: Client): void {
  const points = fairnessPoints(client.served, state.epoch)
  if (points === client.points) return
  client.points = points
  noteRecovery(state, client)
  for (const lane of client.lanes) {
    changePoints(lane, lanePoints(lane, state.tiers.get(lane.tier)?.points ?? 0))
    // One that is set aside stays so: whoever set it aside puts it back.
    if (lane.orderPlace.index >= 0) place(state, lane)
  }
}

/** A new minute: fairness points recover, and clients of whom nothing is left are forgotten. */
export function enterEpoch(state: LimiterState): void {
  const epoch = epochOf(state.nowMs)
  if (epoch === state.epoch) return
  state.epoch = epoch
  for (const { share } of state.accounts.values()) rebase(share)
  for (const client of state.clients.values()) {
    if (isIdle(client) && servedAt(client.served, epoch) === 0) forgetClient(state, client)
    else refreshPoints(state, client)
  }
}
