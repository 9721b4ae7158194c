// What the limiter decides. Effects are data: the workflow delivers them and does nothing else with them.

import type { Demand } from '../domain/resource.ts'

/** What held a reservation back: an index into the resource's `limits`, or a rule by its name. */
export type Blocking = {
  readonly resourceId: string
  readonly limit: number | 'closed' | 'maxConcurrent' | 'paused'
  readonly needed: number
  readonly available: number
  /** Earliest time at which this limit alone would let it pass; null where nobody can tell. */
  readonly untilMs: number | null
}

export type Granted = {
  readonly kind: 'granted'
  readonly id: string
  readonly atMs: number
  /** The call must have begun by then: `atMs` + the largest J of its resources, or the lease's end where J is 0. */
  readonly startByMs: number
  readonly expiresAtMs: number
  readonly demand: Demand
  /** What it last waited for, null where it was granted at once. */
  readonly waitedFor: Blocking | null
  readonly configVersion: number
}

/** Placed in the queue; told once, when a reservation could not be granted at once. */
export type Queued = {
  readonly kind: 'queued'
  readonly id: string
  readonly atMs: number
  /** Counts from 1. */
  readonly position: number
  /** Expected start; null where nobody can tell. */
  readonly etaMs: number | null
  readonly waitingFor: Blocking | null
}

export type Rejection =
  /** Can never fit: `limit` is the index of the limit that is too small, `size` what it admits at most. */
  | {
      readonly reason: 'impossible'
      readonly resourceId: string
      readonly limit: number
      readonly needed: number
      readonly size: number
    }
  | { readonly reason: 'unknown-resource'; readonly resourceId: string }
  /** As many wait for the resource as may: `size` is its `maxQueue`; or `size` of all wait or run, and the state is full. */
  | {
      readonly reason: 'queue-full'
      readonly resourceId: string
      readonly size: number
      readonly retryAfterMs: number
    }
  /** May not wait (long enough), and does not fit now. */
  | {
      readonly reason: 'insufficient'
      readonly blocking: Blocking
      readonly retryAfterMs: number
    }
  | { readonly reason: 'unknown-tier'; readonly tier: string }

/** Never granted; nothing was charged. */
export type Rejected = {
  readonly kind: 'rejected'
  readonly id: string
  readonly atMs: number
  readonly rejection: Rejection
  readonly configVersion: number
}

/** Waited as long as it may. */
export type TimedOut = {
  readonly kind: 'timed-out'
  readonly id: string
  readonly atMs: number
  readonly waitedFor: Blocking | null
}

/** Left the queue before a grant, at its own wish. */
export type Cancelled = { readonly kind: 'cancelled'; readonly id: string; readonly atMs: number }

/** Actual use is booked. `left` is what one reservation could take now per resource; negative is debt. */
export type Settled = {
  readonly kind: 'settled'
  readonly id: string
  readonly atMs: number
  readonly left: Readonly<Record<string, number>>
  /** The lease had ended before: slots were already free, units are booked now. */
  readonly late: boolean
}

/** The lease was renewed. */
export type Extended = {
  readonly kind: 'extended'
  readonly id: string
  readonly atMs: number
  readonly expiresAtMs: number
}

/** The lease ended unsettled: slots are free, units stay charged. */
export type LeaseExpired = { readonly kind: 'lease-expired'; readonly id: string; readonly atMs: number }

/** An operation that named an id unknown here, or one that has ended; nothing changed. */
export type Ignored = {
  readonly kind: 'ignored'
  readonly id: string
  readonly atMs: number
  readonly operation: 'settle' | 'cancel' | 'extend' | 'boost'
  readonly state: 'unknown' | 'waiting' | 'granted' | 'ended'
}

/** The configuration of that version decides from now on. */
export type Configured = { readonly kind: 'configured'; readonly version: number; readonly atMs: number }

/** A provider tells another size of a limit than is configured, or the configured one again. */
export type LimitObserved = {
  readonly kind: 'limit-observed'
  readonly resourceId: string
  /** Index in the resource's `limits`. */
  readonly limit: number
  readonly configured: number
  readonly observed: number
  readonly atMs: number
}

export type Paused = { readonly kind: 'paused'; readonly paused: boolean; readonly atMs: number }

export type Effect =
  | Granted
  | Queued
  | Rejected
  | TimedOut
  | Cancelled
  | Settled
  | Extended
  | LeaseExpired
  | Ignored
  | Configured
  | LimitObserved
  | Paused
