// A lane: waiting reservations that differ in age only, first in, first out.
//
// G1  All members want the same resources, for the same client, tier, urgency and boost; so their order by score is
//     their order by (enqueuedAtMs, sequence) for ever, and only the head competes with other lanes.
// G2  A shape holds the lanes that want the same resources from the same pools; its two heaps (ageing, capped) hold their heads.

import { URGENCY_POINTS, type Urgency } from '../../domain/priority.ts'
import type { Account } from '../account.ts'
import type { Client } from '../client.ts'
import type { Pool } from '../pool.ts'
import type { Waiting } from '../reservation.ts'
import { Heap, noPlace, type Order, type Place } from './heap.ts'
import type { Want } from './judge.ts'
import { Line } from './line.ts'
import { rankAt, rekeyAtMs, type Standing } from './score.ts'

export type Lane = {
  readonly shape: Shape
  readonly client: Client
  readonly tier: string
  readonly urgency: Urgency
  readonly boost: number
  /** Points of tier, urgency, boost and fairness: all but ageing. */
  points: number
  readonly line: Line
  /** Its head's rank (O1) and what decides between equal ones, kept here because every comparison needs them. */
  isCapped: boolean
  key: number
  headAtMs: number
  headSequence: number
  /** Its head has waited so long that it starves. */
  isStarving: boolean
  rekeyAtMs: number
  readonly orderPlace: Place
  readonly rekeyPlace: Place
}

export type Shape = {
  readonly key: string
  readonly accounts: readonly Account[]
  /** By account, the pools that its lanes may use. */
  readonly pools: readonly (readonly Pool[])[]
  readonly lanes: Set<Lane>
  /** All that wait, by the points of their lanes. */
  readonly lines: Map<number, Line>
  readonly ageing: Heap<Lane>
  readonly capped: Heap<Lane>
}

const BY_HEAD: Order<Lane> = {
  keyOf: (lane) => -lane.key,
  isBefore: hasEarlierHead,
  placeOf: (lane) => lane.orderPlace,
}

export type LaneTraits = Pick<Lane, 'shape' | 'client' | 'tier' | 'urgency' | 'boost'>

export function newShape({ key, accounts, pools }: Pick<Shape, 'key' | 'accounts' | 'pools'>): Shape {
  return {
    key,
    accounts,
    pools,
    lanes: new Set(),
    lines: new Map(),
    ageing: new Heap(BY_HEAD),
    capped: new Heap(BY_HEAD),
  }
}

/** The client's lane with those traits; a client has few lanes. */
export function laneWith({ shape, client, tier, urgency, boost }: LaneTraits): Lane | undefined {
  for (const lane of client.lanes) {
    if (lane.shape === shape && lane.urgency === urgency && lane.tier === tier && lane.boost === boost)
      return lane
  }
  return undefined
}

export function newLane(traits: LaneTraits, tierPoints: number): Lane {
  const { shape, client, tier, urgency, boost } = traits
  return {
    shape,
    client,
    tier,
    urgency,
    boost,
    points: lanePoints(traits, tierPoints),
    line: new Line(),
    isCapped: false,
    key: 0,
    headAtMs: 0,
    headSequence: 0,
    isStarving: false,
    rekeyAtMs: 0,
    orderPlace: noPlace(),
    rekeyPlace: noPlace(),
  }
}

export function lanePoints(
  { client, urgency, boost }: Pick<Lane, 'client' | 'urgency' | 'boost'>,
  tierPoints: number,
): number {
  return tierPoints + URGENCY_POINTS[urgency] + boost + client.points
}

/** Lanes by the next change of their key; the order of equal times decides nothing. */
export function rekeyHeap(): Heap<Lane> {
  return new Heap({
    keyOf: (lane) => lane.rekeyAtMs,
    isBefore: () => false,
    placeOf: (lane) => lane.rekeyPlace,
  })
}

export function headOf({ line }: Lane): Waiting | undefined {
  return line.first()
}

export function addMember(lane: Lane, waiting: Waiting): void {
  lane.line.add(waiting)
  lineOf(lane).add(waiting)
}

export function removeMember(lane: Lane, waiting: Waiting): void {
  lane.line.remove(waiting)
  leaveLine(lane, waiting)
}

/** The line of all in the shape that wait with the lane's points. */
function lineOf({ shape, points }: Lane): Line {
  const known = shape.lines.get(points)
  if (known !== undefined) return known
  const line = new Line()
  shape.lines.set(points, line)
  return line
}

function leaveLine(lane: Lane, waiting: Waiting): void {
  const line = lineOf(lane)
  line.remove(waiting)
  if (line.length === 0) lane.shape.lines.delete(lane.points)
}

/** Gives the lane other points; its members change the line. */
export function changePoints(lane: Lane, points: number): void {
  const members = lane.line.members()
  for (const member of members) leaveLine(lane, member)
  lane.points = points
  const line = lineOf(lane)
  for (const member of members) line.add(member)
}

/** Puts the lane where its head belongs, in its shape's heaps and in the heap of key changes. */
export function placeLane(lane: Lane, rekeys: Heap<Lane>, nowMs: number): void {
  const head = headOf(lane)
  if (head === undefined) {
    setAside(lane)
    rekeys.remove(lane)
    return
  }
  const { capped, key } = rankAt(lane.points, head.enqueuedAtMs, nowMs)
  if (capped !== lane.isCapped) setAside(lane)
  lane.isCapped = capped
  lane.key = key
  lane.headAtMs = head.enqueuedAtMs
  lane.headSequence = head.sequence
  ;(capped ? lane.shape.capped : lane.shape.ageing).put(lane)
  const rekeyMs = rekeyAtMs(head.enqueuedAtMs, nowMs)
  if (rekeyMs === null) rekeys.remove(lane)
  else if (rekeyMs !== lane.rekeyAtMs || lane.rekeyPlace.index < 0) {
    lane.rekeyAtMs = rekeyMs
    rekeys.put(lane)
  }
}

/** Takes the lane out of the competition, with its members. */
export function setAside(lane: Lane): void {
  ;(lane.isCapped ? lane.shape.capped : lane.shape.ageing).remove(lane)
}

/** The lane whose head goes first in a shape. */
export function bestLane({ ageing, capped }: Shape, nowMs: number): Lane | undefined {
  const [a, b] = [ageing.top(), capped.top()]
  if (a === undefined || b === undefined) return a ?? b
  return leads(a, b, nowMs) ? a : b
}

/** True where lane `a`'s head goes before lane `b`'s (O3). */
export function leads(a: Lane, b: Lane, nowMs: number): boolean {
  const scoreA = a.isCapped ? a.key : a.key + nowMs
  const scoreB = b.isCapped ? b.key : b.key + nowMs
  return scoreA === scoreB ? hasEarlierHead(a, b) : scoreA > scoreB
}

function hasEarlierHead(a: Lane, b: Lane): boolean {
  return a.headAtMs === b.headAtMs ? a.headSequence < b.headSequence : a.headAtMs < b.headAtMs
}

/** What a member wants of each resource. */
export function wantsOf({ lane, demand }: Waiting): readonly Want[] {
  const { accounts, pools } = lane.shape
  return accounts.map((account, at) => ({ account, pools: pools[at] ?? [], units: demand[at]?.[1] ?? 0 }))
}

/** What decides a member's place among all that wait. */
export function standingOf({ lane, enqueuedAtMs, sequence }: Waiting): Standing {
  return { points: lane.points, enqueuedAtMs, sequence }
}
