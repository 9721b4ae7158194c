// The limiter's working state. One caller owns it and `step` changes it in place; its plain form is in state.ts.
//
// K3  `nowMs` never goes back: a decision is made at the latest time ever told.

import type { Account } from './account.ts'
import type { Client } from './client.ts'
import { noEndings, type Endings } from './endings.ts'
import type { Heap } from './order/heap.ts'
import { rekeyHeap, type Lane, type Shape } from './order/lane.ts'
import { deadlineHeap, leaseHeap, type Granted, type Reservation, type Waiting } from './reservation.ts'

/** Reservations that wait or hold a lease; one more is refused with `queue-full`. */
export const RESERVATIONS_MAX = 200_000

export type TierRule = { readonly points: number; readonly weight: number }

export type LimiterState = {
  nowMs: number
  /** Of the last reservation that arrived. */
  sequence: number
  configVersion: number
  paused: boolean
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
export function createState(): LimiterState {
  return {
    nowMs: 0,
    sequence: 0,
    configVersion: 0,
    paused: false,
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
