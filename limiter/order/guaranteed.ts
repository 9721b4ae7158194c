// The guaranteed share of a resource: served by weighted fair queueing, whatever the score says.
//
// GS1  Its credit (credit.ts) grows with all that is granted here, and who is next is granted as soon as it is covered.
// GS2  Who starves goes first: a tier with a starving client before one without, in it the starving clients before the
//      others; else the tier with the least tag, in it the client with the least tag. Ties by id. Inside a client it is
//      first come, first served.
// GS3  Start-time fair queueing: a served tier's tag moves by units over its weight, a served client's by units. Who
//      comes back starts at the clock (the tag last served) or at its own tag, whichever is later: idling saves nothing.
// GS4  A tier of weight 0 has no guaranteed share.
// GS5  Nobody waits longer than 10 min + max over its resources (Q + a + a_max) / (g * r), where Q is what starving
//      requests are granted of the resource while it starves, a its own units, a_max the most of one request, g the
//      share and r the rate. Proof: from its mark on, the share earns g * r at least (CD2) and gives it to starving
//      requests alone (GS2), so after that time it would have given them more than Q + a. It needs that the limits let
//      as much through: a bucket does; a window that was used up at once lets nothing through for up to W + J, which is
//      added. It holds for a request of one resource, or whose other resources are open to it when it is due; where they
//      are not, the wait there counts from when it is due here. Time closed, paused or at its client's cap is added.

import type { Waiting } from '../reservation.ts'
import { newCredit, spend, type Credit, type Terms } from './credit.ts'
import { Heap, noPlace, type Place } from './heap.ts'
import { headOf, type Lane } from './lane.ts'
import { isEarlier } from './score.ts'

/** So that units over weights 1 to 6 are whole. */
const TAG_SCALE = 60

/** A client's waiting reservations of one tier on one resource. */
export type Flow = {
  readonly client: string
  tag: number
  readonly lanes: Set<Lane>
  /** Of its lanes, those whose head starves. */
  starving: number
  readonly starvingPlace: Place
  readonly otherPlace: Place
}

export type TierQueue = {
  readonly tier: string
  tag: number
  clock: number
  readonly flows: Map<string, Flow>
  readonly starving: Heap<Flow>
  readonly others: Heap<Flow>
}

export type Share = {
  readonly terms: Terms
  /** False where only reservations are limited: each counts as one. */
  readonly countsUnits: boolean
  readonly credit: Credit
  clock: number
  readonly tiers: Map<string, TierQueue>
}

export function newShare(terms: Terms, countsUnits: boolean): Share {
  return { terms, countsUnits, credit: newCredit(), clock: 0, tiers: new Map() }
}

export function tierQueueOf({ tiers }: Share, tier: string): TierQueue {
  const known = tiers.get(tier)
  if (known !== undefined) return known
  const order = { keyOf: (flow: Flow) => flow.tag, isBefore: (a: Flow, b: Flow) => a.client < b.client }
  const heaps = {
    starving: new Heap({ ...order, placeOf: (flow: Flow) => flow.starvingPlace }),
    others: new Heap({ ...order, placeOf: (flow: Flow) => flow.otherPlace }),
  }
  const queue: TierQueue = { tier, tag: 0, clock: 0, flows: new Map(), ...heaps }
  tiers.set(tier, queue)
  return queue
}

export function flowOf(queue: TierQueue, client: string): Flow {
  const known = queue.flows.get(client)
  if (known !== undefined) return known
  const flow: Flow = {
    client,
    tag: queue.clock,
    lanes: new Set(),
    starving: 0,
    starvingPlace: noPlace(),
    otherPlace: noPlace(),
  }
  queue.flows.set(client, flow)
  return flow
}

/** A lane begins to compete: its client's flow is woken where it had no lane (GS3). */
export function joinShare(share: Share, lane: Lane): void {
  const queue = tierQueueOf(share, lane.tier)
  if (isEmpty(queue)) wake(share, queue)
  const flow = flowOf(queue, lane.client.id)
  if (flow.lanes.size === 0) flow.tag = Math.max(flow.tag, queue.clock)
  flow.lanes.add(lane)
  if (lane.isStarving) flow.starving += 1
  placeFlow(queue, flow)
}

export function leaveShare(share: Share, lane: Lane): void {
  const queue = tierQueueOf(share, lane.tier)
  const flow = flowOf(queue, lane.client.id)
  if (flow.lanes.delete(lane) && lane.isStarving) flow.starving -= 1
  placeFlow(queue, flow)
  if (flow.lanes.size === 0 && flow.tag <= queue.clock) queue.flows.delete(flow.client)
}

/** The head of a lane began or ceased to starve: `isStarving` is as it was before. */
export function changeStarving(share: Share, lane: Lane): void {
  const queue = tierQueueOf(share, lane.tier)
  const flow = queue.flows.get(lane.client.id)
  if (flow?.lanes.has(lane) !== true) return
  flow.starving += lane.isStarving ? -1 : 1
  placeFlow(queue, flow)
}

export function placeFlow({ starving, others }: TierQueue, flow: Flow): void {
  const competes = flow.lanes.size > 0
  const [into, from] = flow.starving > 0 ? [starving, others] : [others, starving]
  from.remove(flow)
  if (competes) into.put(flow)
  else into.remove(flow)
}

/** A tier of which nobody waited: nothing is held against it but what its tags say (GS3). */
function wake(share: Share, queue: TierQueue): void {
  if (isForgettable(share, queue)) {
    queue.clock = 0
    queue.flows.clear()
  }
  queue.tag = Math.max(queue.tag, share.clock)
}

/** Nobody waits, and neither the tier nor a client of it is ahead of the clocks: as if it were unknown. */
function isForgettable({ clock }: Share, queue: TierQueue): boolean {
  if (!isEmpty(queue) || queue.tag > clock) return false
  return [...queue.flows.values()].every((flow) => flow.lanes.size === 0 && flow.tag <= queue.clock)
}

function isEmpty({ starving, others }: TierQueue): boolean {
  return starving.size === 0 && others.size === 0
}

/** Who is next here (GS2), and how many units it wants; undefined where nobody waits. */
export function nextFlow({ tiers }: Share, { weightOf, unitsOf }: Measures): Due | undefined {
  let queue: TierQueue | undefined
  for (const other of tiers.values()) {
    if (isEmpty(other) || weightOf(other.tier) === 0) continue
    if (queue === undefined || goesFirst(other, queue)) queue = other
  }
  const flow = queue?.starving.top() ?? queue?.others.top()
  const head = flow && oldestOf(flow)
  return queue && flow && head && { queue, flow, head, units: unitsOf(head) }
}

type Measures = {
  readonly weightOf: (tier: string) => number
  /** What a reservation wants, as the share counts it. */
  readonly unitsOf: (waiting: Waiting) => number
}

export type Due = {
  readonly queue: TierQueue
  readonly flow: Flow
  readonly head: Waiting
  readonly units: number
}

function goesFirst(a: TierQueue, b: TierQueue): boolean {
  const [aStarves, bStarves] = [a.starving.size > 0, b.starving.size > 0]
  if (aStarves !== bStarves) return aStarves
  return a.tag === b.tag ? a.tier < b.tier : a.tag < b.tag
}

/** The oldest head among a flow's lanes. */
export function oldestOf({ lanes }: Flow): Waiting | undefined {
  let oldest: Waiting | undefined
  for (const lane of lanes) {
    const head = headOf(lane)
    if (head !== undefined && (oldest === undefined || isEarlier(head, oldest))) oldest = head
  }
  return oldest
}

/** Takes a flow out until `placeFlow` puts it back. */
export function setFlowAside({ starving, others }: TierQueue, flow: Flow): void {
  starving.remove(flow)
  others.remove(flow)
}

/** Charges a service to the credit, and moves the clocks and tags (GS3). */
export function chargeShare(share: Share, { queue, flow, units }: Due, weight: number): void {
  spend(share.credit, units)
  share.clock = Math.max(share.clock, queue.tag)
  queue.clock = Math.max(queue.clock, flow.tag)
  queue.tag += Math.ceil((units * TAG_SCALE) / weight)
  flow.tag += units * TAG_SCALE
  if (flow.lanes.size > 0) placeFlow(queue, flow)
}

/** Forgets flows that nothing is held against, and counts tags from the clocks, so that they stay small. */
export function rebase(share: Share): void {
  for (const queue of share.tiers.values()) {
    if (isForgettable(share, queue)) {
      share.tiers.delete(queue.tier)
      continue
    }
    for (const flow of queue.flows.values()) {
      if (flow.lanes.size === 0 && flow.tag <= queue.clock) queue.flows.delete(flow.client)
      else flow.tag -= queue.clock
    }
    queue.starving.rekey()
    queue.others.rekey()
    queue.clock = 0
    queue.tag -= share.clock
  }
  share.clock = 0
}

/** Plain form: what cannot be worked out from who waits. */
export type ShareTuple = readonly [
  credit: readonly [parts: number, sinceMs: number, given: number],
  clock: number,
  tiers: readonly (readonly [
    tier: string,
    tag: number,
    clock: number,
    flows: readonly (readonly [string, number])[],
  ])[],
]

export function encodeShare(share: Share): ShareTuple {
  const queues = [...share.tiers.values()]
    .filter((queue) => !isForgettable(share, queue))
    .sort((a, b) => (a.tier < b.tier ? -1 : 1))
  const tuples = queues.map((queue): ShareTuple[2][number] => [
    queue.tier,
    queue.tag,
    queue.clock,
    [...queue.flows.values()]
      .filter(({ tag, lanes }) => (lanes.size > 0 ? tag !== queue.clock : tag > queue.clock))
      .sort((a, b) => (a.client < b.client ? -1 : 1))
      .map(({ client, tag }) => [client, tag] as const),
  ])
  const { parts, sinceMs, given } = share.credit
  return [[parts, sinceMs, given], share.clock, tuples]
}

/** Takes the plain form over, once those who wait are queued: a flow that is not told of is at its tier's clock. */
export function restoreShare(share: Share, [credit, clock, tiers]: ShareTuple): void {
  const [parts, sinceMs, given] = credit
  Object.assign(share.credit, { parts, sinceMs, given })
  share.clock = clock
  for (const [tier, tag, tierClock, flows] of tiers) {
    const queue = tierQueueOf(share, tier)
    queue.tag = tag
    queue.clock = tierClock
    const tags = new Map(flows)
    for (const client of tags.keys()) flowOf(queue, client)
    for (const flow of queue.flows.values()) {
      flow.tag = tags.get(flow.client) ?? tierClock
      placeFlow(queue, flow)
    }
  }
}
