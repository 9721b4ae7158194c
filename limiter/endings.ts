// What is remembered of reservations that have ended, so that a late or repeated operation finds them.
//
// E1  An ending is remembered for at least ENDINGS_KEPT_MS, in two generations that rotate, unless more than
//     ENDINGS_MAX end in that time: then the older generation goes early.
// E2  A cancel that comes before its reserve is an ending too: the reserve finds it and is void.

import type { Demand } from '../domain/resource.ts'

export const ENDINGS_KEPT_MS = 600_000
/** Of one generation. */
export const ENDINGS_MAX = 20_000

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
      readonly booked: ReadonlyMap<string, number>
      readonly clientId: string
    }

export type Endings = {
  recent: Map<string, Ending>
  older: Map<string, Ending>
  rotatedAtMs: number
}

export function noEndings(): Endings {
  return { recent: new Map(), older: new Map(), rotatedAtMs: 0 }
}

export function endingOf({ recent, older }: Endings, id: string): Ending | undefined {
  return recent.get(id) ?? older.get(id)
}

export function remember(endings: Endings, id: string, ending: Ending, nowMs: number): void {
  if (endings.recent.size >= ENDINGS_MAX) rotate(endings, nowMs)
  // Last changed, last told: the order in the plain form is the order of endings.
  endings.recent.delete(id)
  endings.recent.set(id, ending)
}

/** Drops what is old enough (E1). */
export function forgetOld(endings: Endings, nowMs: number): void {
  if (nowMs - endings.rotatedAtMs >= ENDINGS_KEPT_MS) rotate(endings, nowMs)
}

function rotate(endings: Endings, nowMs: number): void {
  endings.older = endings.recent
  endings.recent = new Map()
  endings.rotatedAtMs = nowMs
}

type Generation = {
  readonly cancelled: readonly string[]
  readonly timedOut: readonly string[]
  readonly settled: readonly string[]
  readonly settledLate: readonly string[]
  readonly expired: readonly ExpiredTuple[]
}

type ExpiredTuple = readonly [
  id: string,
  grantedAtMs: number,
  clientId: string,
  demand: Demand,
  pools: readonly string[],
  booked: Demand,
]

/** Plain form: ids by what became of them. */
export type EndingsTuple = readonly [rotatedAtMs: number, recent: Generation, older: Generation]

export function encodeEndings({ rotatedAtMs, recent, older }: Endings): EndingsTuple {
  return [rotatedAtMs, encodeGeneration(recent), encodeGeneration(older)]
}

export function decodeEndings([rotatedAtMs, recent, older]: EndingsTuple): Endings {
  return { rotatedAtMs, recent: decodeGeneration(recent), older: decodeGeneration(older) }
}

function encodeGeneration(endings: ReadonlyMap<string, Ending>): Generation {
  const generation = {
    cancelled: new Array<string>(),
    timedOut: new Array<string>(),
    settled: new Array<string>(),
    settledLate: new Array<string>(),
    expired: new Array<ExpiredTuple>(),
  }
  for (const [id, ending] of endings) {
    switch (ending.kind) {
      case 'cancelled':
        generation.cancelled.push(id)
        break
      case 'timed-out':
        generation.timedOut.push(id)
        break
      case 'settled':
        generation[ending.late ? 'settledLate' : 'settled'].push(id)
        break
      case 'lease-expired':
        generation.expired.push([
          id,
          ending.grantedAtMs,
          ending.clientId,
          ending.demand,
          ending.pools,
          [...ending.booked],
        ])
        break
      default:
        ending satisfies never
    }
  }
  return generation
}

function decodeGeneration(generation: Generation): Map<string, Ending> {
  const endings = new Map<string, Ending>()
  for (const id of generation.cancelled) endings.set(id, { kind: 'cancelled' })
  for (const id of generation.timedOut) endings.set(id, { kind: 'timed-out' })
  for (const id of generation.settled) endings.set(id, { kind: 'settled', late: false })
  for (const id of generation.settledLate) endings.set(id, { kind: 'settled', late: true })
  for (const [id, grantedAtMs, clientId, demand, pools, booked] of generation.expired) {
    endings.set(id, { kind: 'lease-expired', grantedAtMs, clientId, demand, pools, booked: new Map(booked) })
  }
  return endings
}
