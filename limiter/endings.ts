// What is remembered of reservations that have ended, so that a late or repeated operation finds them.
//
// E1  An ending is remembered for ENDINGS_KEPT_MS at least, and two GENERATION_MS more at most.
// E2  A cancel that comes before its reserve is an ending too: the reserve finds it and is void.
// E3  Only where they take more than ENDINGS_BYTES_MAX, or more than is left for them (BY2), the oldest generation goes
//     early, so that the state stays what a continued run can be given. A repeat of what it held is then judged as new;
//     the ledger, which knows every reservation for good, refuses its grant.

import type { Demand } from '../domain/resource.ts'
import { pack, unpack } from './packed-id.ts'
import { endingBytes } from './plain-bytes.ts'

export const ENDINGS_KEPT_MS = 600_000
/** Half of the 2 MiB that Temporal lets a continued run be given: some 37,000 with UUIDs. */
export const ENDINGS_BYTES_MAX = 1_048_576
/** A generation takes up endings for so long, and of so many bytes. */
const GENERATION_MS = ENDINGS_KEPT_MS / 4
const GENERATION_BYTES_MAX = Math.floor(ENDINGS_BYTES_MAX / 5)
/** What it took up last is old enough then. */
const KEPT_SINCE_MS = ENDINGS_KEPT_MS + GENERATION_MS

export type Ending =
  | { readonly kind: 'cancelled' }
  | { readonly kind: 'timed-out' }
  | { readonly kind: 'settled'; readonly late: boolean }
  /** The lease ran out: what is still needed to book a late settlement. */
  | {
      readonly kind: 'lease-expired'
      readonly grantedAtMs: number
      readonly demand: Demand
      readonly pools: readonly string[]
      readonly booked: Demand
      readonly clientId: string
    }

type Generation = { readonly sinceMs: number; readonly endings: Map<string, Ending>; bytes: number }

/** The newest generation first; `roomBytes` is what is left for all of them. */
export type Endings = { generations: readonly Generation[]; bytes: number; roomBytes: number }

export const CANCELLED: Ending = { kind: 'cancelled' }
export const TIMED_OUT: Ending = { kind: 'timed-out' }
export const SETTLED: Ending = { kind: 'settled', late: false }
export const SETTLED_LATE: Ending = { kind: 'settled', late: true }

export function noEndings(): Endings {
  return { generations: [], bytes: 0, roomBytes: ENDINGS_BYTES_MAX }
}

export function endingOf({ generations }: Endings, id: string): Ending | undefined {
  for (const { endings } of generations) {
    const ending = endings.get(id)
    if (ending !== undefined) return ending
  }
  return undefined
}

export function remember(state: Endings, id: string, ending: Ending, nowMs: number): void {
  const bytes = endingBytes(id, ending)
  let [newest] = state.generations
  if (newest === undefined || !isOpen(newest, bytes, nowMs)) {
    newest = { sinceMs: nowMs, endings: new Map(), bytes: 0 }
    state.generations = [newest, ...state.generations]
  }
  // Last changed, last told: the order in the plain form is the order of endings.
  const known = newest.endings.get(id)
  newest.endings.delete(id)
  newest.endings.set(id, ending)
  const more = bytes - (known === undefined ? 0 : endingBytes(id, known))
  newest.bytes += more
  state.bytes += more
  dropEarly(state)
}

function isOpen({ sinceMs, bytes }: Generation, more: number, nowMs: number): boolean {
  return nowMs - sinceMs < GENERATION_MS && bytes + more <= GENERATION_BYTES_MAX
}

/** So much is left for them from now on (E3). */
export function leaveRoom(state: Endings, roomBytes: number): void {
  state.roomBytes = Math.min(ENDINGS_BYTES_MAX, roomBytes)
  dropEarly(state)
}

function dropEarly(state: Endings): void {
  while (state.bytes > state.roomBytes && state.generations.length > 1)
    keep(state, state.generations.slice(0, -1))
}

function keep(state: Endings, generations: readonly Generation[]): void {
  state.generations = generations
  state.bytes = generations.reduce((sum, { bytes }) => sum + bytes, 0)
}

export function countOf({ generations }: Endings): number {
  return generations.reduce((sum, { endings }) => sum + endings.size, 0)
}

/** Drops what is old enough (E1). */
export function forgetOld(state: Endings, nowMs: number): void {
  const oldest = state.generations.at(-1)
  if (oldest === undefined || nowMs - oldest.sinceMs < KEPT_SINCE_MS) return
  keep(
    state,
    state.generations.filter(({ sinceMs }) => nowMs - sinceMs < KEPT_SINCE_MS),
  )
}

/** Plain form of a generation: ids by what became of them. */
type GenerationTuple = readonly [
  sinceMs: number,
  cancelled: readonly string[],
  timedOut: readonly string[],
  settled: readonly string[],
  settledLate: readonly string[],
  expired: readonly ExpiredTuple[],
]

type ExpiredTuple = readonly [
  id: string,
  grantedAtMs: number,
  clientId: string,
  demand: Demand,
  pools: readonly string[],
  booked: Demand,
]

export type EndingsTuple = readonly GenerationTuple[]

export function encodeEndings({ generations }: Endings): EndingsTuple {
  return generations.map(encodeGeneration)
}

export function decodeEndings(tuples: EndingsTuple): Endings {
  const state = noEndings()
  keep(state, tuples.map(decodeGeneration))
  return state
}

function encodeGeneration({ sinceMs, endings }: Generation): GenerationTuple {
  const byKind = { cancelled: new Array<string>(), 'timed-out': new Array<string>() }
  const [settled, settledLate, expired] = [
    new Array<string>(),
    new Array<string>(),
    new Array<ExpiredTuple>(),
  ]
  for (const [id, ending] of endings) {
    switch (ending.kind) {
      case 'cancelled':
      case 'timed-out':
        byKind[ending.kind].push(pack(id))
        break
      case 'settled':
        ;(ending.late ? settledLate : settled).push(pack(id))
        break
      case 'lease-expired': {
        const { grantedAtMs, clientId, demand, pools, booked } = ending
        expired.push([pack(id), grantedAtMs, clientId, demand, pools, booked])
        break
      }
      default:
        ending satisfies never
    }
  }
  return [sinceMs, byKind.cancelled, byKind['timed-out'], settled, settledLate, expired]
}

function decodeGeneration([
  sinceMs,
  cancelled,
  timedOut,
  settled,
  late,
  expired,
]: GenerationTuple): Generation {
  const endings = new Map<string, Ending>()
  for (const id of cancelled) endings.set(unpack(id), CANCELLED)
  for (const id of timedOut) endings.set(unpack(id), TIMED_OUT)
  for (const id of settled) endings.set(unpack(id), SETTLED)
  for (const id of late) endings.set(unpack(id), SETTLED_LATE)
  for (const [id, grantedAtMs, clientId, demand, pools, booked] of expired) {
    endings.set(unpack(id), { kind: 'lease-expired', grantedAtMs, clientId, demand, pools, booked })
  }
  const bytes = [...endings].reduce((sum, [id, ending]) => sum + endingBytes(id, ending), 0)
  return { sinceMs, endings, bytes }
}
