// The limiter's working state. One caller owns it and `step` changes it in place; its plain form is in state.ts.
//
// K3  `nowMs` never goes back: a decision is made at the latest time ever told.
// BY2  Of `bytesMax`, half is for what waits and holds leases: one more that would wait is refused with `queue-full`.
//      Endings have what these leave of three quarters, but for one generation. A quarter is for the rest: what limits
//      remember, idle clients, and what is on its way when a run ends.

import type { Account } from './account.ts'
import type { Client } from './client.ts'
import { leaveRoom, noEndings, type Endings } from './endings.ts'
import type { Heap } from './order/heap.ts'
import { rekeyHeap, type Lane, type Shape } from './order/lane.ts'
import { deadlineHeap, leaseHeap, type Granted, type Reservation, type Waiting } from './reservation.ts'

/** What Temporal lets a continued run be given (`limit.blobSize.error`); more ends the run, and the state with it. */
export const CONTINUED_BYTES_MAX = 2_097_152
/** For a state that no run carries on: simulations, benchmarks. */
export const UNBOUNDED_BYTES = Number.MAX_SAFE_INTEGER

export type TierRule = { readonly points: number; readonly weight: number }

export type LimiterState = {
  nowMs: number
  /** Of the last reservation that arrived. */
  sequence: number
  configVersion: number
  paused: boolean
  /** The most that the plain form may take, and what those who wait and those who hold leases take of it (BY1). */
  readonly bytesMax: number
  bytes: number
  /** Of the clients that are known. */
  clientsBytes: number
  /** The minute whose fairness points the clients have. */
  epoch: number
  /** When a head that was found blocked may start; null where none may. */
  startAtMs: number | null
  readonly tiers: Map<string, TierRule>
  readonly accounts: Map<string, Account>
  readonly clients: Map<string, Client>
  /** Clients at their cap that wait for more. */
  readonly capped: Set<Client>
  /** Clients that wait and lack fairness points. */
  readonly recovering: Set<Client>
  readonly reservations: Map<string, Reservation>
  readonly endings: Endings
  readonly shapes: Map<string, Shape>
  readonly deadlines: Heap<Waiting>
  readonly leases: Heap<Granted>
  readonly rekeys: Heap<Lane>
}

/** A limiter that knows no resource, no tier and no time yet. */
export function createState(bytesMax = CONTINUED_BYTES_MAX): LimiterState {
  return {
    nowMs: 0,
    sequence: 0,
    configVersion: 0,
    paused: false,
    bytesMax,
    bytes: 0,
    clientsBytes: 0,
    epoch: 0,
    startAtMs: null,
    tiers: new Map(),
    accounts: new Map(),
    clients: new Map(),
    capped: new Set(),
    recovering: new Set(),
    reservations: new Map(),
    endings: noEndings(),
    shapes: new Map(),
    deadlines: deadlineHeap(),
    leases: leaseHeap(),
    rekeys: rekeyHeap(),
  }
}

/** Something of that weight has come, or has gone where it is negative (BY2). */
export function weigh(state: LimiterState, bytes: number): void {
  state.bytes += bytes
  leaveRoom(state.endings, state.bytesMax - Math.ceil(state.bytesMax / 4) - state.bytes)
}

/** True where so much more may wait (BY2). */
export function hasRoomFor({ bytes, bytesMax }: LimiterState, more: number): boolean {
  return bytes + more <= Math.floor(bytesMax / 2)
}
