// adopt: a grant of an earlier life, told by the ledger at a cold start.
//
// AD1  It charges what a grant at that time would have charged, whether or not it would have fitted.
// AD2  It has no effect that anybody is told; an id that is known stays as it is.

import { poolsFor, SHARED } from '../../domain/pool.ts'
import { canonical } from '../amounts.ts'
import { charge } from '../account.ts'
import type { LimiterState } from '../book.ts'
import { endingOf, remember, SETTLED } from '../endings.ts'
import type { Adopt } from '../event.ts'
import { beginLease, holdingsOf } from '../grant.ts'
import { noPlace } from '../order/heap.ts'

export function adopt(state: LimiterState, event: Adopt): void {
  const { id, clientId, expiresAtMs } = event
  const demand = canonical(event.demand)
  if (state.reservations.has(id) || endingOf(state.endings, id) !== undefined) return
  const { nowMs, configVersion } = state
  // Which pool it was granted from is not told: its client's own, or the shared one.
  const asker = { clientId, urgency: 'normal' } as const
  const pools = demand.map(([resourceId]) => {
    const account = state.accounts.get(resourceId)
    return account === undefined ? SHARED : (poolsFor(account.pools, asker)[0]?.name ?? SHARED)
  })
  for (const { pool, reserved } of holdingsOf(state, { demand, pools })) charge(pool, reserved, nowMs)
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
