// adopt: a grant of an earlier life, told by the ledger at a cold start.
//
// N1  It charges what a grant at that time would have charged, whether or not it would have fitted.
// N2  It has no effect that anybody is told; an id that is known stays as it is.

import { charge } from '../account.ts'
import type { LimiterState } from '../book.ts'
import { endingOf, remember } from '../endings.ts'
import type { Adopt } from '../event.ts'
import { beginLease } from '../grant.ts'
import { noPlace } from '../order/heap.ts'

export function adopt(state: LimiterState, event: Adopt): void {
  const { id, clientId, demand, expiresAtMs } = event
  if (state.reservations.has(id) || endingOf(state.endings, id) !== undefined) return
  const { nowMs, configVersion } = state
  for (const [resourceId, units] of demand) {
    const account = state.accounts.get(resourceId)
    if (account !== undefined) charge(account, units, nowMs)
  }
  if (expiresAtMs === null) {
    remember(state.endings, id, { kind: 'settled', late: false }, nowMs)
    return
  }
  state.sequence += 1
  beginLease(state, {
    kind: 'granted',
    id,
    sequence: state.sequence,
    clientId,
    demand,
    booked: new Map(demand),
    grantedAtMs: nowMs,
    startByMs: expiresAtMs,
    expiresAtMs,
    waitedFor: null,
    configVersion,
    leasePlace: noPlace(),
  })
}
