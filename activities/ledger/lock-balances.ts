// Takes the locks on periods of budgets, and reads what they hold.
//
// B1  Whoever locks several periods takes them in the order (depth, budget, period): nobody waits in a circle.
// B2  A period that nobody used yet gets its row first, before any period is locked, whoever else does the same.
// B3  Rows of clients and requests are locked before periods, never after.

import type { Balance } from '../../domain/budget.ts'
import type { Transaction } from './database.ts'
import { balanceFromRow, periodKey, type BalanceRow } from './rows.ts'
import { jsonb, timestamp } from './statement.ts'

export type PeriodOfBudget = { readonly budgetId: number; readonly startsAtMs: number }

/** Balances by `periodKey`; a period may be given twice. Locked until the transaction ends. */
export async function lockBalances(
  tx: Transaction,
  given: readonly PeriodOfBudget[],
): Promise<Readonly<Record<string, Balance>>> {
  if (given.length === 0) return {}
  const periods = [...new Map(given.map((one) => [periodKey(one.budgetId, one.startsAtMs), one])).values()]
  const locked = await lock(tx, periods)
  if (locked !== null) return locked
  await tx`
    insert into budget_period (budget_id, starts_at)
    select budget_id, starts_at
    from ${wanted(tx, periods)} join budget b on b.id = budget_id
    order by b.depth, b.id, starts_at
    on conflict do nothing`
  const made = await lock(tx, periods)
  if (made === null) throw new Error('a period of a budget is missing after it was made')
  return made
}

type LockedRow = BalanceRow & { readonly budgetId: number; readonly startsAt: number }

/** Null, and nothing locked, where one of them has no row yet (B2). */
async function lock(
  tx: Transaction,
  periods: readonly PeriodOfBudget[],
): Promise<Readonly<Record<string, Balance>> | null> {
  const rows = await tx<LockedRow[]>`
    select p.budget_id, p.starts_at, p.held, p.used, p.surcharge, p.crossed_at, p.carved, p.told_percent
    from ${wanted(tx, periods)}
    join budget_period p using (budget_id, starts_at)
    join budget b on b.id = p.budget_id
    where (select count(*) from ${wanted(tx, periods)} join budget_period using (budget_id, starts_at))
          = ${periods.length}
    order by b.depth, b.id, p.starts_at
    for no key update of p`
  if (rows.length < periods.length) return null
  return Object.fromEntries(rows.map((row) => [periodKey(row.budgetId, row.startsAt), balanceFromRow(row)]))
}

function wanted(tx: Transaction, periods: readonly PeriodOfBudget[]) {
  const rows = periods.map(({ budgetId, startsAtMs }) => ({
    budget_id: budgetId,
    starts_at: timestamp(startsAtMs),
  }))
  return tx`jsonb_to_recordset(${jsonb(rows)}) as wanted (budget_id bigint, starts_at timestamptz)`
}
