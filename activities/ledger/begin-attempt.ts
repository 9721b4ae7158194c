// An attempt begins: from here on, no answer means unknown use.
//
// T1  The ledger counts the attempts. One that began under the same grant and was never reported is begun again,
//     under its own number: the process that made it died, and a worker that knows the number answers as it did.

import type { Transaction, Sql } from './database.ts'

export type Begun =
  | { readonly kind: 'begun'; readonly attempt: number; readonly expiresAtMs: number }
  | { readonly kind: 'ended' }

type Row = {
  readonly state: string
  readonly expiresAt: number | null
  readonly attempt: number
}

/** `ended`: the request is not granted (any more). */
export async function beginAttempt(sql: Sql, requestId: string, atMs: number): Promise<Begun> {
  return await sql.begin(async (tx) => {
    const row = await lock(tx, requestId)
    if (row === null || row.expiresAt === null) return { kind: 'ended' }
    const { attempt, expiresAt: expiresAtMs } = row
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
    return { kind: 'begun', attempt, expiresAtMs }
  })
}

async function lock(tx: Transaction, requestId: string): Promise<Row | null> {
  const [row] = await tx<Row[]>`
    select state, expires_at,
           coalesce((select attempt from attempt a
                     where a.request_id = r.id and a.generation = r.generation and a.use = 'unknown'),
                    (select coalesce(max(attempt), 0) + 1 from attempt a where a.request_id = r.id)) as attempt
    from request r
    where id = ${requestId} and kind = 'execution' and state in ('granted', 'executing')
    for no key update`
  return row ?? null
}
