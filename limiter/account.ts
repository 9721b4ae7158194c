// A resource as the limiter keeps it: its pools with their meters, and what waits for it and runs on it.
//
// R1  A demand takes from every limit of a pool or from none.
// R2  Usage survives a change of definition: pools are matched by name, limits by type and position among that type.
//     Where a pool has become smaller than what was used of it, the others have so much less for the time, so that
//     together they never admit more than the limit.

import type { Limit } from '../domain/limit.ts'
import { RESOURCE_DEFAULTS, type Resource } from '../domain/resource.ts'
import { noExperience, type Experience } from './experience.ts'
import { needOf, type Meter } from './limits/meter.ts'
import { carryOver, keptOf, type Kept } from './limits/open.ts'
import { slowestRate, type Terms } from './order/credit.ts'
import { pacesOf, type Pace } from './order/fairness.ts'
import { newShare, type Share } from './order/guaranteed.ts'
import { openLoans, openPools, type LoanPool, type Pool } from './pool.ts'

export type Account = {
  readonly resource: Resource
  /** The shared one first. */
  readonly pools: readonly Pool[]
  readonly loans: readonly LoanPool[]
  /** Nothing is granted before; 0 where it is open. */
  closedUntilMs: number
  /** Reservations that wait for it. */
  waiting: number
  /** Reservations that hold a lease on it, and the units they reserved. */
  inFlight: number
  unitsInFlight: number
  share: Share
  readonly paces: readonly Pace[]
  /** By index, the size that the provider tells of a limit where that is not what is configured. */
  readonly observed: Map<number, number>
  experience: Experience
}

export type Lease = { readonly units: number; readonly untilMs: number }

export function openAccount(
  resource: Resource,
  atMs: number,
  keptIn: (pool: string, limits: readonly Limit[], index: number) => Kept = () => [],
): Account {
  const pools = openPools(resource, atMs, keptIn)
  return {
    resource,
    pools,
    loans: openLoans(resource, pools, atMs, keptIn),
    closedUntilMs: 0,
    waiting: 0,
    inFlight: 0,
    unitsInFlight: 0,
    share: newShare(termsOf(resource, pools), countsUnits(pools)),
    paces: pacesOf(resource.limits),
    observed: new Map(),
    experience: noExperience(),
  }
}

/** The account under a changed definition (R2); leases are to be counted again, then `lendWithin` is due. */
export function reopenAccount(before: Account, resource: Resource, atMs: number): Account {
  const { jitterMs } = before.resource
  const account = openAccount(resource, atMs, (name, limits, index) => {
    const pool = [...before.pools, ...before.loans].find((one) => one.name === name)
    const limit = limits[index]
    if (pool === undefined || limit === undefined) return []
    const from = matching(pool.limits, limits, index)
    const [old, meter] = [pool.limits[from], pool.own[from]]
    return old === undefined || meter === undefined
      ? []
      : carryOver({ before: old, after: limit, jitterMs, kept: keptOf(meter), atMs })
  })
  account.closedUntilMs = before.closedUntilMs
  account.waiting = before.waiting
  account.experience = before.experience
  account.share = { ...before.share, terms: account.share.terms, countsUnits: account.share.countsUnits }
  const gone = before.pools.filter(({ name }) => account.pools.every((pool) => pool.name !== name))
  for (const pool of gone) takeOver(account, pool, atMs)
  return account
}

/** Index among `old` of the limit that is the same, by type and position among that type, as the one at `index`. */
function matching(old: readonly Limit[], now: readonly Limit[], index: number): number {
  const type = now[index]?.type
  const nth = now.slice(0, index).filter((limit) => limit.type === type).length
  return old.flatMap((limit, at) => (limit.type === type ? [at] : []))[nth] ?? -1
}

/** What was used of a pool that is gone was used of the shared one. */
function takeOver({ pools: [shared] }: Account, gone: Pool, atMs: number): void {
  for (const [index, meter] of (shared?.meters ?? []).entries()) {
    const old = gone.meters[matching(gone.limits, shared?.limits ?? [], index)]
    const used = old?.view(atMs).used ?? 0
    if (meter.kind === 'rate' && used > 0) meter.charge(used, atMs)
  }
}

/** Charges what some pools are short of to those that have it left (R2). */
export function lendWithin({ pools }: Account, atMs: number): void {
  if (pools.length === 1) return
  for (const index of (pools[0]?.meters ?? []).keys()) {
    const meters = pools.flatMap((pool) => pool.meters[index] ?? [])
    let short = meters.reduce((sum, meter) => sum + Math.max(0, -meter.available(atMs)), 0)
    for (const meter of meters) {
      if (meter.kind !== 'rate') continue
      const lent = Math.max(0, Math.min(short, meter.available(atMs)))
      if (lent > 0) meter.charge(lent, atMs)
      short -= lent
    }
  }
}

/** The pool of that name, or the shared one where it is gone. */
export function poolOf({ pools, loans }: Account, name: string): Pool | undefined {
  const isNamed = (pool: Pool): boolean => pool.name === name
  return pools.find(isNamed) ?? loans.find(isNamed) ?? pools[0]
}

/** Charges a reservation of `units`. */
export function charge(pool: Pool | undefined, units: number, atMs: number): void {
  for (const meter of pool?.meters ?? []) if (meter.kind === 'rate') meter.charge(needOf(meter, units), atMs)
}

/**
 * Charges a pool with more than it has left, and each of the others with what it is short of, whatever they have left:
 * they never admit more together, also when what filled them then has rolled off.
 */
export function chargeBeyond({ pools }: Account, pool: Pool, units: number, atMs: number): void {
  for (const [index, meter] of pool.meters.entries()) {
    if (meter.kind !== 'rate') continue
    const need = needOf(meter, units)
    const short = need - Math.min(need, Math.max(0, meter.available(atMs)))
    meter.charge(need, atMs)
    for (const { meters } of pools) {
      const other = meters[index]
      if (other !== meter && other?.kind === 'rate' && short > 0) other.charge(short, atMs)
    }
  }
}

/** Charges what a reservation used beyond what is booked; it stays one reservation. */
export function chargeMore(pool: Pool | undefined, units: number, atMs: number): void {
  for (const meter of pool?.meters ?? [])
    if (meter.kind === 'rate' && meter.countsUnits) meter.charge(units, atMs)
}

export type Refund = { readonly reserved: number; readonly used: number; readonly chargedAtMs: number }

/** Gives back what was not used; a reservation that is limited as one comes back where nothing was. */
export function refund(pool: Pool | undefined, { reserved, used, chargedAtMs }: Refund, atMs: number): void {
  for (const meter of pool?.meters ?? []) {
    if (meter.kind !== 'rate') continue
    const units = meter.countsUnits ? reserved - used : used === 0 ? 1 : 0
    if (units > 0) meter.refund(units, chargedAtMs, atMs)
  }
}

export function takeSlots(pool: Pool | undefined, { units, untilMs }: Lease): void {
  for (const meter of pool?.meters ?? [])
    if (meter.kind === 'slots') meter.take(needOf(meter, units), untilMs)
}

export function freeSlots(pool: Pool | undefined, { units, untilMs }: Lease): void {
  for (const meter of pool?.meters ?? [])
    if (meter.kind === 'slots') meter.free(needOf(meter, units), untilMs)
}

export function hasSlots(pool: Pool | undefined): boolean {
  return pool?.meters.some(({ kind }) => kind === 'slots') === true
}

/**
 * What a limit of a pool admits now, in its own units. Slots are counted over all pools as well: where a pool has
 * become smaller than what is in flight in it, the others have so much less until that has ended.
 */
export function leftIn({ pools, resource }: Account, meter: Meter, index: number, atMs: number): number {
  const own = meter.available(atMs)
  const isOfLoan = index >= resource.limits.length
  if (meter.kind === 'rate' || pools.length === 1 || isOfLoan) return own
  const whole = pools.reduce((sum, { meters }) => sum + (meters[index]?.available(atMs) ?? 0), 0)
  return Math.min(own, whole)
}

/** What one reservation could take now of a pool, in units: the least over all limits; negative is debt. */
export function availableIn(account: Account, { meters }: Pool, atMs: number): number {
  let available = Number.MAX_SAFE_INTEGER
  let slots = Number.MAX_SAFE_INTEGER
  for (const [index, meter] of meters.entries()) {
    const left = leftIn(account, meter, index, atMs)
    if (meter.countsUnits) available = Math.min(available, left)
    else slots = Math.min(slots, left)
  }
  // A limit on reservations bounds no units; where nothing else does, its free slots are told.
  if (slots <= 0 || available === Number.MAX_SAFE_INTEGER) available = Math.min(available, slots)
  return account.closedUntilMs > atMs ? Math.min(available, 0) : available
}

/** What one reservation without a pool of its own could take now. */
export function availableOf(account: Account, atMs: number): number {
  const [shared] = account.pools
  return shared === undefined ? 0 : availableIn(account, shared, atMs)
}

/** What a demand of `units` counts in the guaranteed share: its units, or one where only reservations are limited. */
export function sharedUnits({ share }: Account, units: number): number {
  return share.countsUnits ? units : 1
}

function countsUnits([shared]: readonly Pool[]): boolean {
  return shared?.meters.some((meter) => meter.countsUnits) === true
}

/** What the guaranteed share is given; the most of one reservation is counted as the share counts it. */
function termsOf(resource: Resource, pools: readonly Pool[]): Terms {
  const sizes = pools.map(({ meters }) => {
    const counting = meters.filter((meter) => meter.countsUnits).map((meter) => meter.size)
    return counting.length === 0 ? 1 : Math.min(...counting)
  })
  return {
    part: resource.guaranteedShare ?? RESOURCE_DEFAULTS.guaranteedShare,
    rate: slowestRate(resource.limits),
    unitsMax: Math.max(...sizes),
  }
}
