// A client as the limiter sees it: its cap, what it holds, and what it was served of late.
//
// K1  A client at its cap is passed over; nobody waits for it.
// K2  An idle client is remembered while its recent use counts; no more are known than CLIENTS_MAX, nor than take an
//     eighth of the state's bytes, but for those that wait or hold leases (BY2).

import type { LimiterState } from './book.ts'
import { fairnessPoints, NOTHING_SERVED, type Served } from './order/fairness.ts'
import type { Lane } from './order/lane.ts'
import { clientBytes } from './plain-bytes.ts'

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

/** The client, known from now on; where too many are, idle ones are forgotten, the first known first (K2). */
export function clientOf(state: LimiterState, id: string): Client {
  const known = state.clients.get(id)
  if (known !== undefined) return known
  const client = newClient(id)
  const bytesMax = Math.floor(state.bytesMax / 8) - clientBytes(id)
  if (state.clients.size >= CLIENTS_MAX || state.clientsBytes > bytesMax) {
    for (const other of state.clients.values()) {
      if (state.clients.size < CLIENTS_MAX && state.clientsBytes <= bytesMax) break
      if (isIdle(other)) forgetClient(state, other)
    }
  }
  knowClient(state, client)
  return client
}

export function knowClient(state: LimiterState, client: Client): void {
  state.clients.set(client.id, client)
  state.clientsBytes += clientBytes(client.id)
}

export function forgetClient(state: LimiterState, { id }: Client): void {
  state.clients.delete(id)
  state.clientsBytes -= clientBytes(id)
}
