// Leaving the queue before a grant: what waits is cancelled, what has its grant is not.

import type { RequestBrief } from '../activities/ledger/read-request.ts'
import { isFinal } from '../domain/request.ts'
import type { ApiContext } from './context.ts'
import { Problem, unavailable } from './problem.ts'
import { stopWaiting } from './stop.ts'

/** The request with its final state. Throws `conflict` where it is granted (by now). */
export async function leaveQueue(context: ApiContext, record: RequestBrief): Promise<RequestBrief> {
  if (isFinal(record.state)) return record
  if (hasGrant(record)) throw granted(record)
  const after = await stopWaiting(context, record)
  if (after === null)
    throw unavailable('it was asked to stop and has not answered yet', { requestId: record.id })
  if (hasGrant(after)) throw granted(after)
  return after
}

function hasGrant({ state }: RequestBrief): boolean {
  return state === 'granted' || state === 'executing'
}

function granted({ id, kind, state }: RequestBrief): Problem {
  const way = kind === 'reservation' ? 'release it' : 'cancel it by /api/execution/{id}/cancel'
  return new Problem('conflict', `it is ${state} and waits no more; ${way}`, {
    members: { requestId: id, state },
  })
}
