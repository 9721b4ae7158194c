// Reservations that the ledger has admitted and the limiter was never told of: their process died in between.
//
// L1  They are sent again; the limiter knows its own ids, so one that it had been told of stays as it is.

import { fromReservationKey } from '../../domain/admission.ts'
import type { LimiterOperation } from '../../workflows/messages.ts'
import type { Sql } from '../ledger/database.ts'
import { lostReservations } from '../ledger/open-reservations.ts'

/** The answer to a reserve is due well before. */
const LOST_AFTER_MS = 15_000

type Edges = {
  readonly sql: Sql
  readonly operations: { send(operation: LimiterOperation): Promise<void> }
}

/** The ids of those that were sent again. */
export async function resendLost({ sql, operations }: Edges, nowMs: number): Promise<readonly string[]> {
  const lost = await lostReservations(sql, nowMs - LOST_AFTER_MS, nowMs)
  await Promise.all(lost.map(({ atMs: _atMs, ...operation }) => operations.send(operation)))
  return lost.map(({ id }) => fromReservationKey(id).requestId)
}
