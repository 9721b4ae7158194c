// throttle and observe: what a provider tells of its limits.
//
// OB1  It lowers what we think is left, never raises it.
// OB2  A header counts the grants up to some time between its call's grant and now; which, nobody knows. Used by others
//      is only what no grant up to now explains, so that a header that is older than the newest grant, or that tells
//      the same as another, lowers nothing twice.
// OB3  What others used counts until the reset that the header tells, or for as long as a charge of our own.
// OB4  A limit that is told otherwise than it is configured is remembered with what was told, and told once.
// OB5  A refused call counts where the provider charges those, beside the one that is made again under the same grant.

import { amountOfLimit, countsUnits, type Limit } from '../../domain/limit.ts'
import { charge, type Account } from '../account.ts'
import type { LimiterState } from '../book.ts'
import type { Effect } from '../effect.ts'
import type { Observe, Throttle } from '../event.ts'
import { holdingsOf } from '../grant.ts'
import type { RateMeter } from '../limits/meter.ts'

/** Closes a resource; one that is closed for longer stays so. */
export function throttle(state: LimiterState, { resourceId, untilMs, call }: Throttle): void {
  const { accounts, reservations, nowMs } = state
  const account = accounts.get(resourceId)
  if (account === undefined) return
  account.closedUntilMs = Math.max(account.closedUntilMs, untilMs)
  for (const { meters } of account.pools) {
    for (const meter of meters) if (meter.kind === 'rate') meter.slowDown?.(call?.grantedAtMs ?? nowMs, nowMs)
  }
  const granted = reservations.get(call?.id ?? '')
  if (call === undefined || granted?.kind !== 'granted' || account.resource.chargeRejected !== true) return
  // What is given back at the settlement was never charged twice: the refused call takes its place.
  const isOwed = call.isRetried || account.resource.refund === 'at-settle'
  const holding = holdingsOf(state, granted).find((one) => one.account === account)
  if (isOwed && holding !== undefined) charge(holding.pool, holding.reserved, nowMs)
}

export function observe(state: LimiterState, event: Observe): readonly Effect[] {
  const { resourceId, limit: told } = event
  const account = state.accounts.get(resourceId)
  const index = account === undefined ? -1 : limitOf(account.resource.limits, event)
  const limit = account?.resource.limits[index]
  if (account === undefined || limit === undefined) return []
  lower(account, index, event, state.nowMs)
  const configured = amountOfLimit(limit)
  if (told === null || configured === null || told === (account.observed.get(index) ?? configured)) return []
  if (told === configured) account.observed.delete(index)
  else account.observed.set(index, told)
  return [{ kind: 'limit-observed', resourceId, limit: index, configured, observed: told, atMs: state.nowMs }]
}

/** The limit that is meant: the one of that size, else the nearest to it; where no size is told, the only one. */
function limitOf(limits: readonly Limit[], { limit: told, per }: Observe): number {
  const meant = limits.flatMap((limit, index) => {
    const amount = countsUnits(limit) === (per === 'unit') ? amountOfLimit(limit) : null
    return amount === null ? [] : [{ index, amount }]
  })
  if (told === null) return meant.length === 1 ? (meant[0]?.index ?? -1) : -1
  // The first of two that are equally near.
  const [nearest] = meant.sort((a, b) => Math.abs(a.amount - told) - Math.abs(b.amount - told))
  return nearest?.index ?? -1
}

/** OB1 to OB3. */
function lower({ pools }: Account, index: number, event: Observe, nowMs: number): void {
  const { remaining, resetAtMs, grantedAtMs } = event
  if (remaining === null || (resetAtMs !== null && resetAtMs <= nowMs)) return
  const meters = pools.flatMap(({ meters }): RateMeter[] => {
    const meter = meters[index]
    return meter?.kind === 'rate' ? [meter] : []
  })
  let explained = 0
  for (const meter of meters) {
    const counted = meter.counted(grantedAtMs, nowMs)
    if (counted === null) return
    explained += counted
  }
  const whole = meters.reduce((sum, meter) => sum + meter.view(nowMs).limit, 0)
  let others = whole - remaining - explained
  for (const meter of meters) {
    const units = Math.min(others, Math.max(0, meter.available(nowMs)))
    if (units <= 0) continue
    meter.occupy(units, resetAtMs ?? Number.POSITIVE_INFINITY, nowMs)
    others -= units
  }
}
