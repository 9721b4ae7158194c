// A reservation's life: waiting -> granted -> ended.
//
// V1  An id is in one state at a time; once ended it stays so while its ending is remembered.

import type { Demand } from '../domain/resource.ts'
import type { Blocking } from './effect.ts'
import type { Lane } from './order/lane.ts'
import { Heap, type Place } from './order/heap.ts'

export type Waiting = {
  readonly kind: 'waiting'
  readonly id: string
  readonly sequence: number
  readonly demand: Demand
  readonly enqueuedAtMs: number
  /** As asked. */
  readonly waitUntilMs: number
  /** As asked, or less where a resource's `maxWaitMs` is shorter. */
  deadlineMs: number
  readonly leaseMs: number
  lane: Lane
  /** What it was last seen to wait for. */
  blocking: Blocking | null
  /** The wait that was forecast as it came (`rememberedOf`); 0: none. */
  foreseen: number
  readonly deadlinePlace: Place
}

export type Granted = {
  readonly kind: 'granted'
  readonly id: string
  readonly sequence: number
  readonly clientId: string
  readonly demand: Demand
  /** The pool that it was granted from, by position in the demand. */
  readonly pools: readonly string[]
  /** Units charged: as reserved, or more where more was reported. */
  booked: Demand
  readonly grantedAtMs: number
  readonly startByMs: number
  expiresAtMs: number
  readonly waitedFor: Blocking | null
  readonly configVersion: number
  readonly leasePlace: Place
}

export type Reservation = Waiting | Granted

/** Waiting reservations by the time at which they give up; ties by arrival. */
export function deadlineHeap(): Heap<Waiting> {
  return new Heap({
    keyOf: (waiting) => waiting.deadlineMs,
    isBefore: (a, b) => a.sequence < b.sequence,
    placeOf: (waiting) => waiting.deadlinePlace,
  })
}

/** Granted reservations by the end of their lease; ties by arrival. */
export function leaseHeap(): Heap<Granted> {
  return new Heap({
    keyOf: (granted) => granted.expiresAtMs,
    isBefore: (a, b) => a.sequence < b.sequence,
    placeOf: (granted) => granted.leasePlace,
  })
}

export function bySequence(a: { readonly sequence: number }, b: { readonly sequence: number }): number {
  return a.sequence - b.sequence
}
