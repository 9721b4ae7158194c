// What every kind of limit answers, whatever its model. A meter is owned by one resource of one limiter state.
//
// L1  A meter admits nothing that its limit, seen through a delay of 0 to J, would refuse (mirroring, api "Delay").
// L2  Without further charges, what fits at t fits at every later time: `earliest` is a threshold.
// L3  A refund of what was charged at the same instant leaves the meter as it was.
// L4  `kept()` is plain JSON, and opening a meter on it gives the same answers for ever.
// L5  A meter that is opened for a changed definition keeps what was used.

import type { Limit } from '../../domain/limit.ts'

/** Units of one reservation that are in use from `atMs` until its lease ends at `untilMs`. */
export type Use = { readonly atMs: number; readonly untilMs: number }

export type LimitView = {
  readonly type: Limit['type']
  /** As configured. */
  readonly limit: number
  readonly used: number
  /** What the mirrored limit still admits; negative is debt. */
  readonly remaining: number
  /** When nothing of it is used any more, or its period ends; null where nothing is used or nobody can tell. */
  readonly resetsAtMs: number | null
}

type Gauge = {
  /** The most that it can ever admit at once, in its own units. */
  readonly size: number
  /** True where it counts units, false where a reservation counts as one. */
  readonly countsUnits: boolean
  /** What could be taken now, in its own units; negative is debt. */
  available(atMs: number): number
  /** Earliest time at which `need` fits; more than `size` is a forecast as if served as it comes; null: unknown. */
  earliest(need: number, atMs: number): number | null
  /** Earliest time at which `need` may fit if all that is in flight were given back at once. */
  soonest(need: number, inFlight: number, atMs: number): number
  /** How much a use that begins now may take so that `need` still fits at `etaMs`; Infinity: any amount. */
  spare(need: number, etaMs: number, use: Use): number
  view(atMs: number): LimitView
}

/** Counts units that pass: buckets and windows. */
export type RateMeter = Gauge & {
  readonly kind: 'rate'
  charge(units: number, atMs: number): void
  /** Gives back units charged at `chargedAtMs`, as far as they still count. */
  refund(units: number, chargedAtMs: number, atMs: number): void
  /**
   * The most of what was charged here that the provider may have counted at some time from `sinceMs` to `atMs`; null
   * where that is too long ago to tell.
   */
  counted(sinceMs: number, atMs: number): number | null
  /** Units that somebody else used; they count until `untilMs` at most, or for as long as a charge would. */
  occupy(units: number, untilMs: number, atMs: number): void
  /** The provider throttled a call that was granted at `grantedAtMs`; left out: the limit does not change by it. */
  slowDown?(grantedAtMs: number, atMs: number): void
  kept(): readonly number[]
}

/** What a provider told this long after the grant says nothing of a window any more. */
export const OBSERVED_MS_MAX = 30_000

/** Counts what is in flight: slots. */
export type SlotMeter = Gauge & {
  readonly kind: 'slots'
  take(slots: number, untilMs: number): void
  free(slots: number, untilMs: number): void
}

export type Meter = RateMeter | SlotMeter

/** What `units` of a demand take of this limit, in the limit's own units. */
export function needOf(meter: Meter, units: number): number {
  return meter.countsUnits ? units : 1
}
