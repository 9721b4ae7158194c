// What an attempt used, and how a request ended.

import type { Json } from './failure.ts'
import type { NanoUsd } from './money.ts'

/**
 * `reported`: the worker told its use, explicit zero included; it is billed whatever the status.
 * `none`: it answered without a report, or was never reached: it used nothing.
 * `unknown`: no answer: held at the worst case, booked as assumed when the request ends.
 */
export type Use =
  | {
      readonly kind: 'reported'
      readonly consumed: Readonly<Record<string, number>>
      /** The worker's own figure; null: price times units. */
      readonly costNanoUsd: NanoUsd | null
    }
  | { readonly kind: 'none' }
  | { readonly kind: 'unknown' }

/** How an execution ended, told to the ledger once. */
export type Ending =
  | { readonly kind: 'completed'; readonly output: Json; readonly partial: boolean }
  | { readonly kind: 'failed'; readonly error: RequestError }
  | { readonly kind: 'cancelled' }
  | { readonly kind: 'expired'; readonly error: RequestError }

export type RequestError = { readonly code: string; readonly detail: string }

export const RESERVATION_OUTCOMES = ['success', 'failure', 'cancelled', 'unknown'] as const
export type ReservationOutcome = (typeof RESERVATION_OUTCOMES)[number]

export type AttemptUse = { readonly attempt: number; readonly use: Use }
