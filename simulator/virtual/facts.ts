// What happened in a simulation, as those who measure it are told. Times are milliseconds since the epoch.

import type { Demand, Resource } from '../../domain/resource.ts'
import type { Urgency } from '../../domain/priority.ts'

export type Asked = {
  readonly id: string
  readonly population: string
  readonly clientId: string
  readonly tier: string
  readonly urgency: Urgency
  readonly demand: Demand
  readonly askedAtMs: number
}

export type Fact =
  | { readonly kind: 'asked'; readonly atMs: number; readonly request: Asked }
  /** It has to wait; with the first prediction of its start. */
  | { readonly kind: 'queued'; readonly atMs: number; readonly request: Asked; readonly etaMs: number | null }
  | { readonly kind: 'granted'; readonly atMs: number; readonly request: Asked; readonly waited: boolean }
  /** Refused, or gave up: it will never be granted. */
  | { readonly kind: 'left'; readonly atMs: number; readonly request: Asked; readonly waited: boolean }
  /** Settled, or its lease ran out: slots are free. `refunded`: units that count no more, by resource. */
  | {
      readonly kind: 'ended'
      readonly atMs: number
      readonly request: Asked
      readonly grantedAtMs: number
      readonly refunded: Demand
    }
  /** These limits hold from now on. */
  | { readonly kind: 'configured'; readonly atMs: number; readonly resources: readonly Resource[] }
  /** The simulation is over; `waiting` were not granted yet. */
  | { readonly kind: 'over'; readonly atMs: number; readonly waiting: readonly Asked[] }
