// A resource: something limited, with a unit and a list of limits that must all hold.

import type { Limit } from './limit.ts'

export const RESOURCE_KINDS = ['api', 'infrastructure', 'business', 'worker'] as const
export type ResourceKind = (typeof RESOURCE_KINDS)[number]

/** `none`: the provider keeps what was charged at admission; `at-settle`: unused units come back. */
export const REFUND_RULES = ['none', 'at-settle'] as const
export type RefundRule = (typeof REFUND_RULES)[number]

/** Parts per 10,000, carved out of the limits; together less than the whole. */
export type Pools = {
  /** For urgent work. */
  readonly reserved: number
  /** By client. */
  readonly dedicated: Readonly<Record<string, number>>
  /** Left out: the default. */
  readonly lending?: Lending
}

/** Parts of a pool, per 10,000, that others may use while its owners do not wait for them. */
export type Lending = { readonly reserved: number; readonly dedicated: number }

export const LENDING_DEFAULT: Lending = { reserved: 0, dedicated: 5_000 }

export type Resource = {
  readonly id: string
  readonly unit: string
  readonly provider: string | null
  readonly kind: ResourceKind
  readonly limits: readonly Limit[]
  /** J: a grant reaches the provider at most this much later, with any delay from 0. */
  readonly jitterMs: number
  readonly refund: RefundRule
  /** A call that the provider refused counts all the same, whatever the refund rule says. Left out: it does not. */
  readonly chargeRejected?: boolean
  /** Reservations that may wait for this resource; one more is refused with `queue-full`. */
  readonly maxQueue: number
  /** The longest wait for this resource, whatever a request asks. */
  readonly maxWaitMs: number
  /**
   * Parts per 10,000 that are served by weighted fair queueing over tiers and clients, whatever the score says.
   * Left out: the default.
   */
  readonly guaranteedShare?: number
  /** Parts of every limit that are kept for some. Left out: none. */
  readonly pools?: Pools
}

/** The unit whose amounts are slots by themselves, so that a concurrency limit takes as many as asked. */
export const SLOT_UNIT = 'slots'

export const RESOURCE_DEFAULTS = {
  provider: null,
  kind: 'api',
  jitterMs: 0,
  refund: 'at-settle',
  chargeRejected: false,
  maxQueue: 1_000,
  maxWaitMs: 3_600_000,
  guaranteedShare: 2_500,
} as const satisfies Partial<Resource>

/** Units wanted of each resource, sorted by resource id so that equal demands are equal arrays. */
export type Demand = readonly (readonly [resourceId: string, units: number])[]

export function toDemand(units: Readonly<Record<string, number>>): Demand {
  return Object.entries(units).sort(([a], [b]) => (a < b ? -1 : 1))
}

export function fromDemand(demand: Demand): Record<string, number> {
  return Object.fromEntries(demand)
}

/** Units used by resource: what was reserved and not used is zero. */
export function usedOf(actual: Demand, reserved: Demand): Record<string, number> {
  return { ...Object.fromEntries(reserved.map(([id]) => [id, 0])), ...fromDemand(actual) }
}
