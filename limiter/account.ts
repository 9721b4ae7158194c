// A resource as the limiter keeps it: its meters, and what waits for it and runs on it.
//
// R1  A demand takes from every limit of a resource or from none.
// R2  Usage survives a change of definition: limits of old and new are matched by type and position among that type.

import type { Limit } from '../domain/limit.ts'
import { RESOURCE_DEFAULTS, type Resource } from '../domain/resource.ts'
import { needOf, type Meter } from './limits/meter.ts'
import { newShare, type Share } from './order/guaranteed.ts'
import { carryOver, keptOf, openMeter, type Kept } from './limits/open.ts'

export type Account = {
  readonly resource: Resource
  readonly meters: readonly Meter[]
  /** Nothing is granted before; 0 where it is open. */
  closedUntilMs: number
  /** Reservations that wait for it. */
  waiting: number
  /** Reservations that hold a lease on it, and the units they reserved. */
  inFlight: number
  unitsInFlight: number
  share: Share
}

export type Lease = { readonly units: number; readonly untilMs: number }

export function openAccount(
  resource: Resource,
  atMs: number,
  keptOfLimit: (index: number) => Kept = () => [],
): Account {
  const meters = resource.limits.map((limit, index) =>
    openMeter({ limit, jitterMs: resource.jitterMs, kept: keptOfLimit(index), atMs }),
  )
  return { resource, meters, closedUntilMs: 0, waiting: 0, inFlight: 0, unitsInFlight: 0, share: newShare() }
}

/** The account under a changed definition (R2); leases are to be counted again by `beginLease`. */
export function reopenAccount(before: Account, resource: Resource, atMs: number): Account {
  const account = openAccount(resource, atMs, (index) => {
    const limit = resource.limits[index]
    const from = limit === undefined ? -1 : matching(before.resource.limits, resource.limits, index)
    const [old, meter] = [before.resource.limits[from], before.meters[from]]
    if (limit === undefined || old === undefined || meter === undefined) return []
    return carryOver(old, limit, keptOf(meter), atMs)
  })
  account.closedUntilMs = before.closedUntilMs
  account.waiting = before.waiting
  account.share = before.share
  return account
}

/** Index among `old` of the limit that is the same, by type and position among that type, as the one at `index`. */
function matching(old: readonly Limit[], now: readonly Limit[], index: number): number {
  const type = now[index]?.type
  const nth = now.slice(0, index).filter((limit) => limit.type === type).length
  return old.flatMap((limit, at) => (limit.type === type ? [at] : []))[nth] ?? -1
}

/** Charges the rates (R1); the slots follow by `beginLease`. */
export function charge({ meters }: Account, units: number, atMs: number): void {
  for (const meter of meters) if (meter.kind === 'rate') meter.charge(units, atMs)
}

export function refund({ meters }: Account, units: number, chargedAtMs: number, atMs: number): void {
  for (const meter of meters) if (meter.kind === 'rate') meter.refund(units, chargedAtMs, atMs)
}

export function takeSlots({ meters }: Account, { units, untilMs }: Lease): void {
  for (const meter of meters) if (meter.kind === 'slots') meter.take(needOf(meter, units), untilMs)
}

export function freeSlots({ meters }: Account, { units, untilMs }: Lease): void {
  for (const meter of meters) if (meter.kind === 'slots') meter.free(needOf(meter, units), untilMs)
}

/** What one reservation could take now, in units: the least over all limits; negative is debt. */
export function availableOf(account: Account, atMs: number): number {
  let available = Number.MAX_SAFE_INTEGER
  let slots = Number.MAX_SAFE_INTEGER
  for (const meter of account.meters) {
    const left = meter.available(atMs)
    if (meter.countsUnits) available = Math.min(available, left)
    else slots = Math.min(slots, left)
  }
  // A limit on reservations bounds no units; where nothing else does, its free slots are told.
  if (slots <= 0 || available === Number.MAX_SAFE_INTEGER) available = Math.min(available, slots)
  return account.closedUntilMs > atMs ? Math.min(available, 0) : available
}

/** The guaranteed share in parts per 10,000. */
export function sharePartOf({ resource }: Account): number {
  return resource.guaranteedShare ?? RESOURCE_DEFAULTS.guaranteedShare
}

/** What a demand of `units` counts in the guaranteed share: its units, or one where only reservations are limited. */
export function sharedUnits({ meters }: Account, units: number): number {
  return meters.some((meter) => meter.countsUnits) ? units : 1
}

/** The most that one reservation can ever take, as the guaranteed share counts it. */
export function largestShared(account: Account): number {
  const sizes = account.meters.filter((meter) => meter.countsUnits).map((meter) => meter.size)
  return sizes.length === 0 ? 1 : Math.min(...sizes)
}

/** Index of the first limit that can never admit `units`, or -1. */
export function impossibleLimit({ meters }: Account, units: number): number {
  return meters.findIndex((meter) => needOf(meter, units) > meter.size)
}
