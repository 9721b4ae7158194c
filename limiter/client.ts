// A client as the limiter sees it: its cap, what it holds, and what it was served of late.
//
// K1  A client at its cap is passed over; nobody waits for it.
// K2  An idle client is remembered while its recent use counts, at most CLIENTS_MAX of them.

import { fairnessPoints, NOTHING_SERVED, type Served } from './order/fairness.ts'
import type { Lane } from './order/lane.ts'

export const CLIENTS_MAX = 20_000

export type Client = {
  readonly id: string
  /** Null is unlimited. */
  maxConcurrent: number | null
  /** Reservations that hold a lease. */
  inFlight: number
  served: Served
  /** Fairness points as of the state's epoch. */
  points: number
  readonly lanes: Set<Lane>
}

export function newClient(id: string): Client {
  return {
    id,
    maxConcurrent: null,
    inFlight: 0,
    served: NOTHING_SERVED,
    points: fairnessPoints(NOTHING_SERVED, 0),
    lanes: new Set(),
  }
}

export function isAtCap({ maxConcurrent, inFlight }: Pick<Client, 'maxConcurrent' | 'inFlight'>): boolean {
  return maxConcurrent !== null && inFlight >= maxConcurrent
}

export function isIdle({ inFlight, lanes }: Client): boolean {
  return inFlight === 0 && lanes.size === 0
}

/** The name under which a client's cap is told as what holds a reservation back. */
export function capName(clientId: string): string {
  return `client:${clientId}`
}
