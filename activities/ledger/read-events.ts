// Changes of a request's state, in their order.

import type { Json } from '../../domain/failure.ts'
import type { RequestState } from '../../domain/request.ts'
import type { Queries } from './database.ts'

export type StateChange = {
  /** Grows from change to change, over all requests. */
  readonly sequence: number
  readonly state: RequestState
  readonly atMs: number
  readonly detail: Json
}

/** Those after `afterSequence` (0: from the first), at most `limit`. */
export async function readEvents(
  sql: Queries,
  requestId: string,
  afterSequence: number,
  limit: number,
): Promise<readonly StateChange[]> {
  return await sql<StateChange[]>`
    select sequence, state, at as "atMs", detail
    from event
    where request_id = ${requestId} and sequence > ${afterSequence} and state is not null
    order by sequence
    limit ${limit}`
}
