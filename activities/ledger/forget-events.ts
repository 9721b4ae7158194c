// Events are kept for a bounded time: whoever catches up later than that has missed them.

import type { Queries } from './database.ts'
import { timestamp } from './statement.ts'

/** As long as a request's id is remembered. */
export const EVENTS_KEPT_MS = 30 * 86_400_000
const BATCH_MAX = 5_000

/** Deletes those that are older than `keptMs`, at most a batch; how many. */
export async function forgetEvents(
  sql: Queries,
  atMs: number,
  keptMs: number = EVENTS_KEPT_MS,
): Promise<number> {
  const { count } = await sql`
    delete from event
    where ctid = any (array(select ctid from event where at < ${timestamp(atMs - keptMs)} limit ${BATCH_MAX}))`
  return count
}
