// Takes the locks on periods of budgets, and reads what they hold.
//
// B1  Whoever locks several periods takes them in the order (depth, budget, period): nobody waits in a circle.
// B2  A period that nobody used yet gets its row first, before any period is locked, whoever else does the same.
// B4  The period of a rolling budget is the lock of all its slices: what counts of them is read once it is held.
// B3  Rows of clients and requests are locked before periods, never after.

import { EMPTY_BALANCE } from '../../domain/budget.ts'
import type { Balances } from '../../domain/carve-out.ts'
import type { Transaction } from './database.ts'
import { balanceFromRow, periodKey, type BalanceRow, type PeriodOfBudget } from './rows.ts'
import { jsonb, timestamp } from './statement.ts'
import { usedInWindows } from './used-in-windows.ts'

/** With the first slice that counts, where the budget is rolling. */
export type LockedPeriod = PeriodOfBudget & { readonly countsFromMs?: number }

/** Balances by `periodKey`; a period may be given twice. Locked until the transaction ends. */
export async function lockBalances(tx: Transaction, given: readonly LockedPeriod[]): Promise<Balances> {
  if (given.length === 0) return {}
  const periods = [...new Map(given.map((one) => [periodKey(one.budgetId, one.startsAtMs), one])).values()]
  const locked = (await lock(tx, periods)) ?? (await makeAndLock(tx, periods))
  return await inWindows(tx, locked, periods)
}

/** B4. Of a rolling budget only what was used in its window. */
async function inWindows(
  tx: Transaction,
  balances: Balances,
  periods: readonly LockedPeriod[],
): Promise<Balances> {
  const used = await usedInWindows(
    tx,
    periods.flatMap(({ countsFromMs, ...period }) =>
      countsFromMs === undefined ? [] : [{ ...period, countsFromMs }],
    ),
  )
  const windows = [...used].map(
    ([key, inWindow]) => [key, { ...(balances[key] ?? EMPTY_BALANCE), used: inWindow }] as const,
  )
  return { ...balances, ...Object.fromEntries(windows) }
}

async function makeAndLock(tx: Transaction, periods: readonly PeriodOfBudget[]): Promise<Balances> {
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
async function lock(tx: Transaction, periods: readonly PeriodOfBudget[]): Promise<Balances | null> {
  const rows = await tx<LockedRow[]>`
    select p.budget_id, p.starts_at, p.held, p.used, p.surcharge, p.crossed_at, p.carved, p.told_percent,
           p.told_at
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
