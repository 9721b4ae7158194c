// What the limiter is told. Every event carries the time at which it is decided; the limiter has no clock.

import type { Urgency } from '../domain/priority.ts'
import type { Demand, Resource } from '../domain/resource.ts'
import type { Tier } from '../domain/tier.ts'

export type Reserve = {
  readonly kind: 'reserve'
  readonly atMs: number
  readonly id: string
  readonly clientId: string
  readonly tier: string
  /** Reservations that the client may hold at once (waiting ones do not count); null is unlimited. */
  readonly maxConcurrent: number | null
  readonly urgency: Urgency
  readonly demand: Demand
  /** When the request was admitted: the age that its priority counts from. */
  readonly enqueuedAtMs: number
  /** It may wait until then; at or before `atMs` it is granted now or rejected. */
  readonly waitUntilMs: number
  /** The lease: it is taken back this long after the grant unless settled or extended. */
  readonly leaseMs: number
}

export type Settle = {
  readonly kind: 'settle'
  readonly atMs: number
  readonly id: string
  /** Units used; null: as much as was reserved. A resource that is not listed used nothing. */
  readonly actual: Demand | null
}

export type Cancel = { readonly kind: 'cancel'; readonly atMs: number; readonly id: string }

/** Renews the lease to `atMs + leaseMs`; `used` is the running total so far, booked at once where it is more than reserved. */
export type Extend = {
  readonly kind: 'extend'
  readonly atMs: number
  readonly id: string
  readonly leaseMs: number
  readonly used: Demand | null
}

/** Points added to a waiting reservation's priority by an operator; may be negative. */
export type Boost = {
  readonly kind: 'boost'
  readonly atMs: number
  readonly id: string
  readonly points: number
}

/** A provider's 429: nothing of the resource is granted before `untilMs`. */
export type Throttle = {
  readonly kind: 'throttle'
  readonly atMs: number
  readonly resourceId: string
  readonly untilMs: number
  /** The call that was refused. Left out: nobody knows. */
  readonly call?: RefusedCall
}

export type RefusedCall = {
  readonly id: string
  readonly grantedAtMs: number
  /** It is made again under the same grant. */
  readonly isRetried: boolean
}

/** What a provider's headers told with the answer to a call, of the limit on units or on calls. */
export type Observe = {
  readonly kind: 'observe'
  readonly atMs: number
  readonly resourceId: string
  readonly per: 'unit' | 'reservation'
  readonly grantedAtMs: number
  readonly limit: number | null
  readonly remaining: number | null
  readonly resetAtMs: number | null
}

/** Desired state; applied only where `version` is newer. What was used is kept. */
export type Configure = {
  readonly kind: 'configure'
  readonly atMs: number
  readonly version: number
  /** Resources changed or new, by id; null removes one (its waiting reservations are rejected). */
  readonly resources: Readonly<Record<string, Resource | null>>
  readonly tiers: Readonly<Record<string, Pick<Tier, 'points' | 'weight'> | null>>
  /** Caps of clients that changed, for those already waiting. */
  readonly clients: Readonly<Record<string, { readonly tier: string; readonly maxConcurrent: number | null }>>
}

/** Stops or resumes granting; running work goes on. */
export type Pause = { readonly kind: 'pause'; readonly atMs: number; readonly paused: boolean }

/**
 * A grant of an earlier life that the ledger knows, told at a cold start, in the order of `atMs` (the time of the
 * grant) and before anybody is placed in the queue. `expiresAtMs` null: it has ended, its units are charged and its id
 * is known as ended. No effect.
 */
export type Adopt = {
  readonly kind: 'adopt'
  readonly atMs: number
  readonly id: string
  readonly clientId: string
  /** Units to charge: as reserved, or as used where that is known. */
  readonly demand: Demand
  readonly expiresAtMs: number | null
}

/** Time passed: leases and deadlines are looked at, and what fits now is granted. */
export type Tick = { readonly kind: 'tick'; readonly atMs: number }

export type LimiterEvent =
  Reserve | Settle | Cancel | Extend | Boost | Throttle | Observe | Configure | Pause | Adopt | Tick
