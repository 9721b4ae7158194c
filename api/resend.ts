// Reservations that the ledger has admitted and the limiter was never told of: their process died in between.
//
// L1  They are sent again; the limiter knows its own ids, so one that it had been told of stays as it is.

import { listRequests } from '../activities/ledger/list-requests.ts'
import { readRequest } from '../activities/ledger/read-request.ts'
import { reservationKey } from '../domain/admission.ts'
import { nowMs, type ApiContext } from './context.ts'

/** The answer to a reserve is due well before. */
const LOST_AFTER_MS = 15_000
const BATCH_MAX = 200

/** Ids of those that were sent again: waiting for longer than an answer takes, and without a place in the queue. */
export async function resendLost(context: ApiContext): Promise<readonly string[]> {
  const { sql, operations } = context
  const atMs = nowMs(context)
  const filter = {
    kind: 'reservation',
    clientId: null,
    state: 'waiting',
    after: null,
    limit: BATCH_MAX,
  } as const
  const { items } = await listRequests(sql, filter, atMs)
  const sent: string[] = []
  for (const { id, createdAtMs } of items) {
    if (createdAtMs > atMs - LOST_AFTER_MS) continue
    const record = await readRequest(sql, id, atMs)
    if (record === null || record.state !== 'waiting' || record.position !== null) continue
    const { generation, clientId, tier, maxConcurrent, urgency, demand, waitUntilMs, leaseMs } = record
    if (tier === null || waitUntilMs === null || leaseMs === null) continue
    const key = reservationKey(id, generation)
    const asked = { id: key, clientId, tier, maxConcurrent, urgency, demand, waitUntilMs, leaseMs }
    await operations.send({ kind: 'reserve', enqueuedAtMs: createdAtMs, ...asked })
    sent.push(id)
  }
  return sent
}
