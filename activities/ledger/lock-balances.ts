// Takes the locks on periods of budgets, and reads what they hold.
//
// B1  Whoever locks several periods takes them in the order (depth, budget, period): nobody waits in a circle.
// B2  A period that nobody used yet gets its row first, whoever else does the same.
// B3  Rows of requests are locked before periods, never after.

import type { Balance } from '../../domain/budget.ts'
import { jsonb, toTimestamp, type Transaction } from './database.ts'
import { balanceFromRow, periodKey, type BalanceRow } from './rows.ts'

export type PeriodOfBudget = { readonly budgetId: number; readonly startsAtMs: number }

/** Balances by `periodKey`, locked until the transaction ends. */
export async function lockBalances(
  sql: Transaction,
  periods: readonly PeriodOfBudget[],
): Promise<Record<string, Balance>> {
  const balances: Record<string, Balance> = {}
  if (periods.length === 0) return balances
  await lock(sql, periods, balances)
  if (Object.keys(balances).length < periods.length) {
    await sql`
      insert into budget_period (budget_id, starts_at)
      select budget_id, starts_at from ${wanted(sql, periods)}
      order by budget_id, starts_at
      on conflict do nothing`
    await lock(sql, periods, balances)
  }
  return balances
}

type LockedRow = BalanceRow & { readonly budgetId: number; readonly startsAt: number }

async function lock(
  sql: Transaction,
  periods: readonly PeriodOfBudget[],
  balances: Record<string, Balance>,
): Promise<void> {
  const rows = await sql<LockedRow[]>`
    select p.budget_id, p.starts_at, p.held, p.used, p.surcharge, p.crossed_at
    from ${wanted(sql, periods)}
    join budget_period p using (budget_id, starts_at)
    join budget b on b.id = p.budget_id
    order by b.depth, b.id, p.starts_at
    for no key update of p`
  for (const row of rows) balances[periodKey(row.budgetId, row.startsAt)] = balanceFromRow(row)
}

function wanted(sql: Transaction, periods: readonly PeriodOfBudget[]) {
  const rows = periods.map(({ budgetId, startsAtMs }) => ({
    budget_id: budgetId,
    starts_at: toTimestamp(startsAtMs),
  }))
  return sql`jsonb_to_recordset(${jsonb(sql, rows)}) as wanted (budget_id bigint, starts_at timestamptz)`
}
