// The limiter's state as plain JSON, for continue-as-new, publishing and tests.
//
// I1  encode(restore(encode(s))) equals encode(s), and steps after a restore have the effects they would have had.
// I2  Only strings, numbers, booleans, null and arrays of them: nothing that a payload converter would lose.
// I3  A waiting reservation takes at most 70 bytes with its id: numbers are told as differences along its lane.
// I4  What can be counted or worked out again is not kept: heaps, lanes' sums, counts in flight.

import { SHARED } from '../domain/pool.ts'
import type { Urgency } from '../domain/priority.ts'
import type { Demand, Resource } from '../domain/resource.ts'
import { openAccount, type Account } from './account.ts'
import { isSame } from './amounts.ts'
import { CONTINUED_BYTES_MAX, createState, weigh, type LimiterState } from './book.ts'
import { knowClient, newClient } from './client.ts'
import {
  decodeBlocking,
  decodeMembers,
  encodeBlocking,
  encodeMembers,
  type BlockingTuple,
} from './members.ts'
import { decodeEndings, encodeEndings, noEndings, type Endings, type EndingsTuple } from './endings.ts'
import { decodeExperience, encodeExperience, type ExperienceTuple } from './experience.ts'
import { assert } from '../domain/arithmetic.ts'
import { keptOf, type Kept } from './limits/open.ts'
import { beginLease } from './grant.ts'
import { fairnessPoints } from './order/fairness.ts'
import { encodeShare, restoreShare, type ShareTuple } from './order/guaranteed.ts'
import { noPlace } from './order/heap.ts'
import type { Lane } from './order/lane.ts'
import { pack, unpack } from './packed-id.ts'
import { enqueue } from './queue.ts'
import { bySequence, type Granted } from './reservation.ts'

export { createState, UNBOUNDED_BYTES, type LimiterState } from './book.ts'

export const SNAPSHOT_VERSION = 1

export type LimiterSnapshot = {
  readonly version: typeof SNAPSHOT_VERSION
  readonly nowMs: number
  readonly sequence: number
  readonly configVersion: number
  readonly paused: boolean
  readonly epoch: number
  readonly startAtMs: number | null
  readonly tiers: readonly (readonly [id: string, points: number, weight: number])[]
  readonly accounts: readonly AccountTuple[]
  readonly clients: readonly ClientTuple[]
  readonly lanes: readonly LaneTuple[]
  readonly granted: readonly GrantedTuple[]
  readonly endings: EndingsTuple
}

type AccountTuple = readonly [
  resource: Resource,
  closedUntilMs: number,
  /** By pool and limit. */
  kept: readonly (readonly [pool: string, kept: readonly Kept[]])[],
  share: ShareTuple,
  /** Absent where nothing is told otherwise than it is configured, and nothing was learned. */
  observed?: readonly (readonly [limit: number, units: number])[],
  experience?: ExperienceTuple,
]

type ClientTuple = readonly [id: string, maxConcurrent: number | null, cost: number, epoch: number]

type LaneTuple = readonly [
  resources: readonly string[],
  clientId: string,
  tier: string,
  urgency: Urgency,
  boost: number,
  ids: readonly string[],
  numbers: readonly number[],
  /** The waits that were forecast; absent where none was. */
  foreseen?: readonly number[],
]

type GrantedTuple = readonly [
  id: string,
  sequence: number,
  clientId: string,
  demand: Demand,
  /** Null where all are the shared ones. */
  pools: readonly string[] | null,
  /** Null where as much is booked as was reserved. */
  booked: Demand | null,
  grantedAtMs: number,
  startByMs: number,
  expiresAtMs: number,
  waitedFor: BlockingTuple | null,
  configVersion: number,
]

export function encode(state: LimiterState): LimiterSnapshot {
  return encodeWith(state, state.endings)
}

/** For those who only look: without the endings, which only operations ask for and which are most of an idle state. */
export function encodeView(state: LimiterState): LimiterSnapshot {
  return encodeWith(state, noEndings())
}

function encodeWith(state: LimiterState, endings: Endings): LimiterSnapshot {
  const reservations = [...state.reservations.values()]
  return {
    version: SNAPSHOT_VERSION,
    nowMs: state.nowMs,
    sequence: state.sequence,
    configVersion: state.configVersion,
    paused: state.paused,
    epoch: state.epoch,
    startAtMs: state.startAtMs,
    tiers: [...state.tiers].map(([id, { points, weight }]) => [id, points, weight]),
    accounts: [...state.accounts.values()].map(encodeAccount),
    clients: [...state.clients.values()].map(({ id, maxConcurrent, served }) => [
      id,
      maxConcurrent,
      served.cost,
      served.epoch,
    ]),
    lanes: [...state.shapes.values()].flatMap(({ lanes }) => [...lanes].map(encodeLane)),
    granted: reservations
      .filter((found) => found.kind === 'granted')
      .sort(bySequence)
      .map(encodeGranted),
    endings: encodeEndings(endings),
  }
}

function encodeAccount(account: Account): AccountTuple {
  const { resource, closedUntilMs, pools, loans, share, observed } = account
  const kept = [...pools, ...loans].map(({ name, own }) => [name, own.map(keptOf)] as const)
  const tuple = [resource, closedUntilMs, kept, encodeShare(share)] as const
  const learned = encodeExperience(account.experience)
  if (learned !== null) return [...tuple, [...observed], learned]
  return observed.size === 0 ? tuple : [...tuple, [...observed]]
}

/** Throws where the snapshot is of another version. */
export function restore(snapshot: LimiterSnapshot, bytesMax = CONTINUED_BYTES_MAX): LimiterState {
  assert(
    snapshot.version === SNAPSHOT_VERSION,
    `snapshot version ${snapshot.version}, expected ${SNAPSHOT_VERSION}`,
  )
  const { nowMs, sequence, configVersion, paused, epoch, startAtMs } = snapshot
  const endings = decodeEndings(snapshot.endings)
  const state: LimiterState = {
    ...createState(bytesMax),
    ...{ nowMs, sequence, configVersion, paused, epoch, startAtMs, endings },
  }
  for (const [id, points, weight] of snapshot.tiers) state.tiers.set(id, { points, weight })
  for (const [resource, closedUntilMs, kept, , observed = [], learned] of snapshot.accounts) {
    const byPool = new Map(kept)
    const account = openAccount(resource, nowMs, (pool, _limits, index) => byPool.get(pool)?.[index] ?? [])
    account.closedUntilMs = closedUntilMs
    for (const [limit, units] of observed) account.observed.set(limit, units)
    if (learned !== undefined) account.experience = decodeExperience(learned)
    state.accounts.set(resource.id, account)
  }
  for (const [id, maxConcurrent, cost, servedEpoch] of snapshot.clients) {
    const served = { cost, epoch: servedEpoch }
    const points = fairnessPoints(served, epoch)
    knowClient(state, { ...newClient(id), maxConcurrent, served, points })
  }
  for (const lane of snapshot.lanes) restoreLane(state, lane)
  for (const granted of snapshot.granted) beginLease(state, decodeGranted(granted))
  for (const [{ id }, , , share] of snapshot.accounts) {
    const account = state.accounts.get(id)
    if (account !== undefined) restoreShare(account.share, share)
  }
  weigh(state, 0)
  return state
}

function encodeLane({ shape, client, tier, urgency, boost, line }: Lane): LaneTuple {
  const resources = shape.accounts.map(({ resource }) => resource.id)
  const waiting = line.members()
  const ids = waiting.map(({ id }) => pack(id))
  const tuple = [resources, client.id, tier, urgency, boost, ids, encodeMembers(waiting)] as const
  const foreseen = waiting.map((member) => member.foreseen)
  return foreseen.every((code) => code === 0) ? tuple : [...tuple, foreseen]
}

function restoreLane(state: LimiterState, lane: LaneTuple): void {
  const [resources, clientId, tier, urgency, boost, ids, numbers, foreseen = []] = lane
  const members = decodeMembers({ resources, clientId, ids: ids.map(unpack), numbers })
  for (const [at, member] of members.entries()) {
    enqueue(state, { ...member, clientId, tier, urgency, boost, foreseen: foreseen[at] ?? 0 })
  }
}

function encodeGranted(granted: Granted): GrantedTuple {
  const { id, sequence, clientId, demand, pools, booked, waitedFor } = granted
  return [
    pack(id),
    sequence,
    clientId,
    demand,
    pools.every((name) => name === SHARED) ? null : pools,
    isSame(booked, demand) ? null : booked,
    granted.grantedAtMs,
    granted.startByMs,
    granted.expiresAtMs,
    waitedFor === null ? null : encodeBlocking(waitedFor),
    granted.configVersion,
  ]
}

function decodeGranted(tuple: GrantedTuple): Granted {
  const [
    id,
    sequence,
    clientId,
    demand,
    pools,
    booked,
    grantedAtMs,
    startByMs,
    expiresAtMs,
    waitedFor,
    configVersion,
  ] = tuple
  return {
    kind: 'granted',
    id: unpack(id),
    sequence,
    clientId,
    demand,
    pools: pools ?? demand.map(() => SHARED),
    booked: booked ?? demand,
    grantedAtMs,
    startByMs,
    expiresAtMs,
    waitedFor: waitedFor === null ? null : decodeBlocking(waitedFor),
    configVersion,
    leasePlace: noPlace(),
  }
}
