// An attempt begins: from here on, no answer means unknown use.
//
// T1  An attempt that began and was never reported, under the same grant, stops the next one: its process died,
//     and nobody knows what it used. The grant goes back, and the request queues again.

import type { Sql } from './database.ts'

export type Begun =
  | { readonly kind: 'begun'; readonly expiresAtMs: number }
  | { readonly kind: 'unknown-before'; readonly expiresAtMs: number }
  | { readonly kind: 'ended' }

type Row = { readonly expiresAt: number; readonly isUnknownBefore: boolean }

/** `ended`: the request is not granted (any more). One statement. */
export async function beginAttempt(
  sql: Sql,
  requestId: string,
  attempt: number,
  atMs: number,
): Promise<Begun> {
  const [row] = await sql<Row[]>`
    with granted as (
      select id, state, generation, expires_at,
             exists (select from attempt a
                     where a.request_id = r.id and a.generation = r.generation
                       and a.attempt <> ${attempt} and a.use = 'unknown') as is_unknown_before
      from request r
      where id = ${requestId} and kind = 'execution' and state in ('granted', 'executing')
      for no key update
    ), begun as (
      update request r set state = 'executing', started_at = coalesce(r.started_at, ${atMs})
      from granted g
      where r.id = g.id and not g.is_unknown_before
      returning r.id, r.generation, g.state as state_before
    ), attempts as (
      insert into attempt (request_id, attempt, generation, begun_at, use)
      select id, ${attempt}, generation, ${atMs}, 'unknown' from begun
      on conflict do nothing
    ), events as (
      insert into event (request_id, state, at, detail)
      select id, 'executing', ${atMs}, jsonb_build_object('attempt', ${attempt}::integer)
      from begun where state_before <> 'executing'
    )
    select expires_at, is_unknown_before from granted`
  if (row === undefined) return { kind: 'ended' }
  return { kind: row.isUnknownBefore ? 'unknown-before' : 'begun', expiresAtMs: row.expiresAt }
}
