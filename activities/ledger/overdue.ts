// What should have gone on by itself and has not: somebody died, or was ended by hand.
//
// V1  Overdue is what is still open OVERDUE_MS after its time: the longest wait, the end of the lease or the deferral.
// V2  The limiter ends its reservations itself, in time; what it did not end is ended by the same effects.

import { reservationKey } from '../../domain/admission.ts'
import type { Effect } from '../../limiter/effect.ts'
import type { Queries } from './database.ts'
import { timestamp } from './statement.ts'

/** Longer than any clock is wrong, and than a limiter takes to come back. */
export const OVERDUE_MS = 60_000
const BATCH_MAX = 200

/** Ids of executions whose workflow should have moved on. */
export async function overdueExecutions(sql: Queries, nowMs: number): Promise<readonly string[]> {
  const rows = await sql<{ id: string }[]>`
    select id from request
    where kind = 'execution' and ${isOverdue(sql, nowMs)}
    order by created_at, id limit ${BATCH_MAX}`
  return rows.map(({ id }) => id)
}

/** Of `ids`, those of executions that are open. */
export async function openExecutions(sql: Queries, ids: readonly string[]): Promise<readonly string[]> {
  const rows = await sql<{ id: string }[]>`
    select id from request where id = any (${ids as string[]}) and kind = 'execution' and ended_at is null`
  return rows.map(({ id }) => id)
}

type Row = { readonly id: string; readonly generation: number; readonly state: 'waiting' | 'granted' }

/** What the limiter would have told of reservations (V2). */
export async function overdueReservations(sql: Queries, nowMs: number): Promise<readonly Effect[]> {
  const rows = await sql<Row[]>`
    select id, generation, state from request
    where kind = 'reservation' and ${isOverdue(sql, nowMs)}
    order by created_at, id limit ${BATCH_MAX}`
  return rows.map(({ id, generation, state }): Effect => {
    const named = { id: reservationKey(id, generation), atMs: nowMs }
    if (state === 'granted') return { kind: 'lease-expired', ...named }
    return { kind: 'timed-out', waitedFor: null, ...named }
  })
}

function isOverdue(sql: Queries, nowMs: number) {
  const since = timestamp(nowMs - OVERDUE_MS)
  return sql`(state = 'waiting' and wait_until < ${since}
              or state in ('granted', 'executing') and expires_at < ${since}
              or state = 'deferred' and defer_until < ${since})`
}
