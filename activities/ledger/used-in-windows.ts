// What was used of rolling budgets in the slices that count.

import type { Queries } from './database.ts'
import { periodKey, type PeriodOfBudget } from './rows.ts'
import { jsonb, timestamp } from './statement.ts'

/** With the first slice that counts. */
export type Window = PeriodOfBudget & { readonly countsFromMs: number }

/** By `periodKey`. */
export async function usedInWindows(
  sql: Queries,
  windows: readonly Window[],
): Promise<ReadonlyMap<string, number>> {
  if (windows.length === 0) return new Map()
  const wanted = windows.map(({ budgetId, startsAtMs, countsFromMs }) => {
    return { budgetId, startsAtMs, from: timestamp(countsFromMs) }
  })
  const rows = await sql<{ budgetId: number; startsAtMs: number; used: number }[]>`
    select "budgetId" as budget_id, "startsAtMs" as starts_at_ms,
           (select coalesce(sum(s.used), 0)::bigint from budget_slice s
            where s.budget_id = "budgetId" and s.starts_at >= "from") as used
    from jsonb_to_recordset(${jsonb(wanted)}) as wanted ("budgetId" bigint, "startsAtMs" bigint, "from" timestamptz)`
  return new Map(rows.map(({ budgetId, startsAtMs, used }) => [periodKey(budgetId, startsAtMs), used]))
}
