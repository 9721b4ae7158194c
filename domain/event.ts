// Events that leave the system: every change of a request's state, use that was booked, and what befell budgets.
//
// N1  Each is written in the transaction of what it tells, so that none is lost and none tells what did not happen.
// N2  A name is made of whose it is and what it came to; waiting is told as `queued`, executing as `started`, and an
//     execution that ran out of time, or that the limiter refused after its admission, as `failed`.

import type { RequestKind, RequestState } from './request.ts'

const WORDS = {
  admitted: 'admitted',
  deferred: 'deferred',
  waiting: 'queued',
  granted: 'granted',
  executing: 'started',
  completed: 'completed',
  failed: 'failed',
  cancelled: 'cancelled',
  expired: 'failed',
  refused: 'refused',
} as const satisfies Readonly<Record<RequestState, string>>

export const NAMED_EVENTS = ['usage.recorded', 'budget.threshold_reached', 'budget.exhausted'] as const
export type NamedEvent = (typeof NAMED_EVENTS)[number]

export type EventName = NamedEvent | `${RequestKind}.${(typeof WORDS)[RequestState]}`

/** As the change of a request's state is told. */
export function nameOfState(kind: RequestKind, state: RequestState): EventName {
  return kind === 'execution' && state === 'refused' ? 'execution.failed' : `${kind}.${WORDS[state]}`
}
