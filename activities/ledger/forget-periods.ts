// Periods of budgets that are over and that no request refers to any more, and slices that no rolling window holds.
//
// P1  A period that anything refers to stays, and so does one without an end.
// P2  A slice stays while its budget's window may hold it, or an entry of it is kept.

import type { Queries } from './database.ts'
import { timestamp } from './statement.ts'

const BATCH_MAX = 1_000
/** The longest period is a month: one that began so long before has ended. */
const PERIOD_MS_MAX = 32 * 86_400_000

/** How many were deleted of those that ended before `beforeMs`, at most a batch. */
export async function forgetPeriods(sql: Queries, beforeMs: number): Promise<number> {
  const { count } = await sql`
    delete from budget_period
    where (budget_id, starts_at) in (
      select p.budget_id, p.starts_at
      from budget_period p join budget b on b.id = p.budget_id
      where b.period in ('minute', 'hour', 'day', 'month') and b.source in ('own', 'tier')
        and p.starts_at < ${timestamp(beforeMs - PERIOD_MS_MAX)}
        and not exists (select from hold h where h.budget_id = p.budget_id and h.starts_at = p.starts_at)
        and not exists (select from carve_out c
                        where (c.budget_id, c.starts_at) = (p.budget_id, p.starts_at)
                           or (c.from_budget_id, c.from_starts_at) = (p.budget_id, p.starts_at))
      limit ${BATCH_MAX})`
  return count
}

/** The same for slices of rolling budgets (P2). */
export async function forgetSlices(sql: Queries, beforeMs: number): Promise<number> {
  const { count } = await sql`
    delete from budget_slice
    where (budget_id, starts_at) in (
      select s.budget_id, s.starts_at
      from budget_slice s join budget b on b.id = s.budget_id
      where s.starts_at < ${timestamp(beforeMs)}::timestamptz - 2 * b.window_ms * interval '1 millisecond'
        and s.used = s.carried_used
      limit ${BATCH_MAX})`
  return count
}
