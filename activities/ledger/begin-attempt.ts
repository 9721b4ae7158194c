// An attempt begins: from here on, no answer means unknown use.
//
// T1  The ledger counts the attempts. One that began under the same grant and was never reported is begun again,
//     under its own number: the process that made it died, and a worker that knows the number answers as it did.

import type { Sql } from './database.ts'
import { timestamp } from './statement.ts'

export type Begun =
  | { readonly kind: 'begun'; readonly attempt: number; readonly expiresAtMs: number }
  | { readonly kind: 'ended' }

type Row = { readonly attempt: number; readonly expiresAt: number }

/** `ended`: the request is not granted (any more). */
export async function beginAttempt(sql: Sql, requestId: string, atMs: number): Promise<Begun> {
  const [row] = await sql<Row[]>`
    with granted as (
      select id, state, generation, expires_at,
             coalesce((select attempt from attempt a
                       where a.request_id = r.id and a.generation = r.generation and a.use = 'unknown'),
                      (select coalesce(max(attempt), 0) + 1 from attempt a where a.request_id = r.id)) as attempt
      from request r
      where id = ${requestId} and kind = 'execution' and state in ('granted', 'executing')
      for no key update
    ), begun as (
      update request r set state = 'executing', started_at = coalesce(r.started_at, ${timestamp(atMs)})
      from granted g
      where r.id = g.id
      returning r.id, r.generation, g.attempt, g.state as state_before
    ), attempts as (
      insert into attempt (request_id, attempt, generation, begun_at, use)
      select id, attempt, generation, ${timestamp(atMs)}, 'unknown' from begun
      on conflict do nothing
    ), events as (
      insert into event (request_id, state, at, detail)
      select id, 'executing', ${timestamp(atMs)}, jsonb_build_object('attempt', attempt)
      from begun where state_before <> 'executing'
    )
    select attempt, expires_at from granted`
  if (row === undefined) return { kind: 'ended' }
  return { kind: 'begun', attempt: row.attempt, expiresAtMs: row.expiresAt }
}
