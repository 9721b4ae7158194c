// An attempt begins: from here on, no answer means unknown use.
//
// T1  The ledger counts the attempts. One that began under the same grant and was never reported is begun again,
//     under its own number: the process that made it died, and a worker that knows the number answers as it did.
// T2  Those that come together are one statement; their rows are locked in the order of their ids.

import { Coalescer, perPool } from './coalescer.ts'
import type { Queries, Sql } from './database.ts'
import { jsonb, timestamp } from './statement.ts'

export type Begun =
  | { readonly kind: 'begun'; readonly attempt: number; readonly expiresAtMs: number }
  | { readonly kind: 'ended' }

type Beginning = { readonly requestId: string; readonly atMs: number }

const BATCH_MAX = 100
const BATCHES_IN_FLIGHT_MAX = 2

/** `ended`: the request is not granted (any more). */
export async function beginAttempt(sql: Sql, requestId: string, atMs: number): Promise<Begun> {
  return await beginningsAt(sql).submit({ requestId, atMs })
}

const beginningsAt = perPool(
  (sql) =>
    new Coalescer<Beginning, Begun>({
      run: (beginnings) => beginTogether(sql, beginnings),
      keyOf: ({ requestId }) => requestId,
      batchMax: BATCH_MAX,
      inFlightMax: BATCHES_IN_FLIGHT_MAX,
    }),
)

type Row = { readonly id: string; readonly attempt: number; readonly expiresAt: number }

async function beginTogether(sql: Queries, beginnings: readonly Beginning[]): Promise<readonly Begun[]> {
  const asked = beginnings.map(({ requestId, atMs }) => ({ asked: requestId, at: timestamp(atMs) }))
  const rows = await sql<Row[]>`
    with granted as (
      select id, at, state, generation, expires_at,
             coalesce((select attempt from attempt a
                       where a.request_id = r.id and a.generation = r.generation and a.use = 'unknown'),
                      (select coalesce(max(attempt), 0) + 1 from attempt a where a.request_id = r.id)) as attempt
      from jsonb_to_recordset(${jsonb(asked)}) as beginning (asked text, at timestamptz)
      join request r on r.id = asked
      where kind = 'execution' and state in ('granted', 'executing')
      order by id
      for no key update of r
    ), begun as (
      update request r set state = 'executing', started_at = coalesce(r.started_at, g.at)
      from granted g
      where r.id = g.id
      returning r.id, r.generation, g.at, g.attempt, g.state as state_before
    ), attempts as (
      insert into attempt (request_id, attempt, generation, begun_at, use)
      select id, attempt, generation, at, 'unknown' from begun
      on conflict do nothing
    ), events as (
      insert into event (request_id, state, at, detail)
      select id, 'executing', at, jsonb_build_object('attempt', attempt)
      from begun where state_before <> 'executing'
      order by at, id
    )
    select id, attempt, expires_at from granted`
  const begun = new Map(rows.map((row) => [row.id, row]))
  return beginnings.map(({ requestId }) => {
    const row = begun.get(requestId)
    if (row === undefined) return { kind: 'ended' }
    return { kind: 'begun', attempt: row.attempt, expiresAtMs: row.expiresAt }
  })
}
