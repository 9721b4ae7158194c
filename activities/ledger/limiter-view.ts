// The state that the limiter last published: JSON text, which nobody here looks into.

import type { Queries } from './database.ts'
import { timestamp } from './statement.ts'

/** An older state never replaces a newer one. Its commit does not wait for the disk: the next one follows soon. */
export async function writeLimiterView(
  sql: Queries,
  group: string,
  asOfMs: number,
  snapshot: string,
): Promise<void> {
  await sql`
    insert into limiter_view (limiter_group, as_of, snapshot)
    select ${group}, ${timestamp(asOfMs)}::timestamptz, ${snapshot}
    from (select set_config('synchronous_commit', 'off', true)) as setting
    on conflict (limiter_group) do update set as_of = excluded.as_of, snapshot = excluded.snapshot
    where limiter_view.as_of < excluded.as_of`
}

export type PublishedView = { readonly asOfMs: number; readonly snapshot: string }

/** Null where nothing newer than `newerThanMs` was published. */
export async function readLimiterView(
  sql: Queries,
  group: string,
  newerThanMs: number,
): Promise<PublishedView | null> {
  const [row] = await sql<{ asOf: number; snapshot: string }[]>`
    select as_of, snapshot from limiter_view where limiter_group = ${group} and as_of > ${timestamp(newerThanMs)}`
  return row === undefined ? null : { asOfMs: row.asOf, snapshot: row.snapshot }
}
