// The outcome of admission: what a request may hold and how it goes on, or why it may not exist.

import type { Json, Refusal } from './failure.ts'
import type { NanoUsd } from './money.ts'
import type { Urgency } from './priority.ts'
import type { RequestState } from './request.ts'
import type { Demand } from './resource.ts'
import type { RetryPolicy, WorkerTarget } from './worker.ts'

/** How an admitted request goes on. */
export type Plan = {
  readonly requestId: string
  /** Counts the reservations of this request: the limiter knows it as `requestId#generation`. */
  readonly generation: number
  readonly clientId: string
  readonly tier: string
  readonly maxConcurrent: number | null
  /** As asked, lowered to the client's `priorityMax`. */
  readonly urgency: Urgency
  readonly demand: Demand
  readonly admittedAtMs: number
  /** Not before: null where it starts at once. */
  readonly deferUntilMs: number | null
  readonly waitUntilMs: number
  readonly leaseMs: number
  readonly deadlineMs: number | null
  readonly estimatedNanoUsd: NanoUsd
  readonly configVersion: number
  readonly call: WorkerCall | null
}

/** What the worker is asked; null in a reservation's plan. */
export type WorkerCall = {
  readonly worker: string
  readonly action: string
  readonly input: Json
  readonly target: WorkerTarget
  readonly timeoutMs: number
  readonly expectedMs: number | null
  readonly retryPolicy: RetryPolicy
  /** The score at admission, 0 to 100, for the worker's own order. */
  readonly priority: number
}

export type Admission =
  | { readonly kind: 'admitted'; readonly plan: Plan }
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  /**
   * The id is known: nothing was done. `sameBody` tells a replay from a mismatch. `plan` where it is open and the
   * body is the same: whoever asks again may go on with it. An open execution is told as `admitted` again.
   */
  | {
      readonly kind: 'known'
      readonly state: RequestState
      readonly sameBody: boolean
      readonly plan: Plan | null
    }

/** The limiter's name of a request's n-th reservation. */
export function reservationKey(requestId: string, generation: number): string {
  return `${requestId}#${generation}`
}

export function fromReservationKey(key: string): { requestId: string; generation: number } {
  const at = key.lastIndexOf('#')
  return { requestId: key.slice(0, at), generation: Number(key.slice(at + 1)) }
}
