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
import { Crowd } from './crowd.ts'
import { Heap, noPlace, type Place } from './heap.ts'
import type { Want } from './judge.ts'
import { isEarlier, rankAt, rekeyAtMs, type Standing } from './score.ts'

export type Lane = {
  readonly name: string
  readonly shape: Shape
  readonly client: Client
  readonly tier: string
  readonly urgency: Urgency
  readonly boost: number
  /** Points of tier, urgency, boost and fairness: all but ageing. */
  points: number
  /** Members in order; those before `first` have left. */
  readonly members: Waiting[]
  first: number
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
  readonly lanes: Map<string, Lane>
  /** All that wait, by the points of their lanes. */
  readonly crowds: Map<number, Crowd>
  readonly ageing: Heap<Lane>
  readonly capped: Heap<Lane>
}

export type LaneTraits = Pick<Lane, 'shape' | 'client' | 'tier' | 'urgency' | 'boost'>

export function newShape({ key, accounts, pools }: Pick<Shape, 'key' | 'accounts' | 'pools'>): Shape {
  const placeOf = (lane: Lane): Place => lane.orderPlace
  return {
    key,
    accounts,
    pools,
    lanes: new Map(),
    crowds: new Map(),
    ageing: new Heap(goesBefore, placeOf),
    capped: new Heap(goesBefore, placeOf),
  }
}

export function laneName({ client, tier, urgency, boost }: Omit<LaneTraits, 'shape'>): string {
  return `${client.id}\n${tier}\n${urgency}\n${boost}`
}

export function newLane(traits: LaneTraits, tierPoints: number): Lane {
  const { shape, client, tier, urgency, boost } = traits
  return {
    name: laneName(traits),
    shape,
    client,
    tier,
    urgency,
    boost,
    points: lanePoints(traits, tierPoints),
    members: [],
    first: 0,
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
  return new Heap(
    (a, b) => a.rekeyAtMs < b.rekeyAtMs,
    (lane) => lane.rekeyPlace,
  )
}

export function headOf(lane: Lane): Waiting | undefined {
  return lane.members[lane.first]
}

export function lengthOf(lane: Lane): number {
  return lane.members.length - lane.first
}

export function addMember(lane: Lane, waiting: Waiting): void {
  lane.members.splice(placeIn(lane, waiting), 0, waiting)
  crowdOf(lane).add(waiting)
}

export function removeMember(lane: Lane, waiting: Waiting): void {
  if (headOf(lane) === waiting) {
    lane.first += 1
    if (lane.first > 64 && lane.first * 2 > lane.members.length) {
      lane.members.splice(0, lane.first)
      lane.first = 0
    }
  } else lane.members.splice(placeIn(lane, waiting), 1)
  leaveCrowd(lane, waiting)
}

function crowdOf({ shape, points }: Lane): Crowd {
  const known = shape.crowds.get(points)
  if (known !== undefined) return known
  const crowd = new Crowd(points)
  shape.crowds.set(points, crowd)
  return crowd
}

function leaveCrowd(lane: Lane, waiting: Waiting): void {
  const crowd = crowdOf(lane)
  crowd.remove(waiting)
  if (crowd.isEmpty) lane.shape.crowds.delete(lane.points)
}

/** Gives the lane other points; its members change the crowd. */
export function changePoints(lane: Lane, points: number): void {
  const members = lane.members.slice(lane.first)
  for (const member of members) leaveCrowd(lane, member)
  lane.points = points
  const crowd = crowdOf(lane)
  for (const member of members) crowd.add(member)
}

/** Index of the first member that is not earlier than `waiting`. */
function placeIn(lane: Lane, waiting: Waiting): number {
  return firstNot(lane, (member) => isEarlier(member, waiting))
}

/** Index of the first member for which `holds` is false; it must hold for a beginning of the lane only. */
export function firstNot(lane: Lane, holds: (member: Waiting) => boolean): number {
  let [low, high] = [lane.first, lane.members.length]
  while (low < high) {
    const middle = (low + high) >> 1
    const member = lane.members[middle]
    if (member !== undefined && holds(member)) low = middle + 1
    else high = middle
  }
  return low
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

function goesBefore(a: Lane, b: Lane): boolean {
  return a.key === b.key ? hasEarlierHead(a, b) : a.key > b.key
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
