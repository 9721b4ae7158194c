// adopt: a grant of an earlier life, told by the ledger at a cold start.
//
// AD1  It charges what a grant at that time would have charged, whether or not it would have fitted.
// AD2  It has no effect that anybody is told; an id that is known stays as it is.
// AD3  Which pool it was granted from is not told. It is charged to the first that its client may have used and that has
//      room for it, as it was then; where none has, to its client's, and what that is short of to each of the others. So the
//      pools of a resource never admit more together than its limits.

import { loansFor, poolsFor, SHARED, type Asker } from '../../domain/pool.ts'
import { canonical } from '../amounts.ts'
import { charge, chargeBeyond, leftIn, type Account } from '../account.ts'
import type { LimiterState } from '../book.ts'
import { endingOf, remember, SETTLED } from '../endings.ts'
import type { Adopt } from '../event.ts'
import { beginLease } from '../grant.ts'
import { needOf } from '../limits/meter.ts'
import { noPlace } from '../order/heap.ts'

export function adopt(state: LimiterState, event: Adopt): void {
  const { id, clientId, expiresAtMs } = event
  const demand = canonical(event.demand)
  if (state.reservations.has(id) || endingOf(state.endings, id) !== undefined) return
  const { nowMs, configVersion } = state
  const pools = demand.map(([resourceId, units]) => {
    const account = state.accounts.get(resourceId)
    return account === undefined ? SHARED : chargedIn(account, units, clientId, nowMs)
  })
  if (expiresAtMs === null) {
    remember(state.endings, id, SETTLED, nowMs)
    return
  }
  state.sequence += 1
  beginLease(state, {
    kind: 'granted',
    id,
    sequence: state.sequence,
    clientId,
    demand,
    pools,
    booked: demand,
    grantedAtMs: nowMs,
    startByMs: expiresAtMs,
    expiresAtMs,
    waitedFor: null,
    configVersion,
    leasePlace: noPlace(),
  })
}

/** The name of the pool that is charged (AD3). */
function chargedIn(account: Account, units: number, clientId: string, nowMs: number): string {
  // It may have been urgent.
  const asker: Asker = { clientId, urgency: 'urgent' }
  const own = poolsFor(account.pools, asker)
  const roomy = [...own, ...loansFor(account.loans, asker)].find(({ meters }) =>
    meters.every((meter, index) => needOf(meter, units) <= leftIn(account, meter, index, nowMs)),
  )
  const [first] = own
  if (roomy !== undefined) charge(roomy, units, nowMs)
  else if (first !== undefined) chargeBeyond(account, first, units, nowMs)
  return (roomy ?? first)?.name ?? SHARED
}
