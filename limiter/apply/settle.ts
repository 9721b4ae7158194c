// settle and extend: what was really used, and for how long it is still needed.
//
// U1  Booked is the most ever known: as reserved, or the running totals told. A higher actual use is charged at once
//     (debt); a lower one gives back the difference to what was reserved where the resource refunds at settlement.
// U2  Settled once; after the lease has run out it is booked `late`, and the slots were free already.
// U3  An unknown or ended id changes nothing.
// U4  Use of a resource that was not reserved is charged like an overrun.

import type { Demand } from '../../domain/resource.ts'
import { canonical, larger, unitsIn } from '../amounts.ts'
import { availableOf, charge, chargeMore, freeSlots, poolOf, refund, takeSlots } from '../account.ts'
import { weigh, type LimiterState } from '../book.ts'
import type { Effect } from '../effect.ts'
import { endingOf, remember, SETTLED, SETTLED_LATE } from '../endings.ts'
import type { Extend, Settle } from '../event.ts'
import { endLease, holdingsOf, leaseOf, serveClient } from '../grant.ts'
import { leaseBytes } from '../plain-bytes.ts'
import type { Granted } from '../reservation.ts'
import { ignored } from './answer.ts'

export function settle(state: LimiterState, event: Settle): Effect {
  const { id } = event
  const actual = event.actual === null ? null : canonical(event.actual)
  const found = state.reservations.get(id)
  if (found?.kind === 'granted') {
    endLease(state, found)
    return book(state, { id, held: found, actual, late: false })
  }
  const ending = found === undefined ? endingOf(state.endings, id) : undefined
  if (ending?.kind === 'lease-expired') return book(state, { id, held: ending, actual, late: true })
  return ignored(state, id, 'settle')
}

type Booking = {
  readonly id: string
  readonly held: Pick<Granted, 'clientId' | 'demand' | 'pools' | 'booked' | 'grantedAtMs'>
  readonly actual: Demand | null
  readonly late: boolean
}

function book(state: LimiterState, { id, held, actual, late }: Booking): Effect {
  const { nowMs } = state
  if (actual !== null) {
    for (const { account, pool, reserved } of holdingsOf(state, held)) {
      const used = unitsIn(actual, account.resource.id)
      if (account.resource.refund === 'at-settle') {
        refund(pool, { reserved, used, chargedAtMs: held.grantedAtMs }, nowMs)
      }
    }
    overrun(state, held, actual)
    serveClient(state, held.clientId, actual, held.demand)
  }
  remember(state.endings, id, late ? SETTLED_LATE : SETTLED, nowMs)
  return { kind: 'settled', id, atMs: nowMs, left: leftOf(state, held.demand), late }
}

/** Charges what was used beyond what is booked (U1), of a resource that was not reserved to the shared pool (U4). */
function overrun(state: LimiterState, held: Booking['held'], used: Demand): void {
  for (const [resourceId, units] of used) {
    const account = state.accounts.get(resourceId)
    const more = units - unitsIn(held.booked, resourceId)
    if (account === undefined || more <= 0) continue
    const at = held.demand.findIndex(([id]) => id === resourceId)
    const pool = poolOf(account, held.pools[at] ?? '')
    if (at < 0) charge(pool, more, state.nowMs)
    else chargeMore(pool, more, state.nowMs)
  }
}

function leftOf(state: LimiterState, demand: Demand): Readonly<Record<string, number>> {
  return Object.fromEntries(
    demand.flatMap(([id]) => {
      const account = state.accounts.get(id)
      return account === undefined ? [] : [[id, availableOf(account, state.nowMs)]]
    }),
  )
}

export function extend(state: LimiterState, event: Extend): Effect {
  const { id, leaseMs } = event
  const granted = state.reservations.get(id)
  if (granted?.kind !== 'granted') return ignored(state, id, 'extend')
  const holdings = holdingsOf(state, granted)
  for (const { account, pool } of holdings) freeSlots(pool, leaseOf(granted, account))
  if (event.used !== null) {
    const used = canonical(event.used)
    overrun(state, granted, used)
    weigh(state, -leaseBytes(granted))
    granted.booked = larger(granted.booked, used)
    weigh(state, leaseBytes(granted))
  }
  granted.expiresAtMs = state.nowMs + leaseMs
  for (const { account, pool } of holdings) takeSlots(pool, leaseOf(granted, account))
  state.leases.put(granted)
  return { kind: 'extended', id, atMs: state.nowMs, expiresAtMs: granted.expiresAtMs }
}
