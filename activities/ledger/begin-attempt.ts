// An attempt begins: from here on, no answer means unknown use.
//
// T1  An attempt that began and was never reported, under the same grant, stops the next one: its process died,
//     and nobody knows what it used. The grant goes back, and the request queues again.

import type { Transaction, Sql } from './database.ts'

export type Begun =
  | { readonly kind: 'begun'; readonly expiresAtMs: number }
  | { readonly kind: 'unknown-before'; readonly expiresAtMs: number }
  | { readonly kind: 'ended' }

type Row = {
  readonly state: string
  readonly expiresAt: number | null
  readonly isUnknownBefore: boolean
}

/** `ended`: the request is not granted (any more). */
export async function beginAttempt(
  sql: Sql,
  requestId: string,
  attempt: number,
  atMs: number,
): Promise<Begun> {
  return await sql.begin(async (tx) => {
    const row = await lock(tx, requestId, attempt)
    if (row === null || row.expiresAt === null) return { kind: 'ended' }
    if (row.isUnknownBefore) return { kind: 'unknown-before', expiresAtMs: row.expiresAt }
    await tx`
      with begun as (
        update request set state = 'executing', started_at = coalesce(started_at, ${atMs})
        where id = ${requestId}
        returning id, generation
      ), attempts as (
        insert into attempt (request_id, attempt, generation, begun_at, use)
        select id, ${attempt}, generation, ${atMs}, 'unknown' from begun
        on conflict do nothing
      )
      insert into event (request_id, state, at, detail)
      select id, 'executing', ${atMs}, jsonb_build_object('attempt', ${attempt}::integer) from begun
      where ${row.state} <> 'executing'`
    return { kind: 'begun', expiresAtMs: row.expiresAt }
  })
}

async function lock(tx: Transaction, requestId: string, attempt: number): Promise<Row | null> {
  const [row] = await tx<Row[]>`
    select state, expires_at,
           exists (select from attempt a
                   where a.request_id = r.id and a.generation = r.generation
                     and a.attempt <> ${attempt} and a.use = 'unknown') as is_unknown_before
    from request r
    where id = ${requestId} and kind = 'execution' and state in ('granted', 'executing')
    for no key update`
  return row ?? null
}
