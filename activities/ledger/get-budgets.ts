// Where the budgets of a scope stand in their current periods, the one of a client's tier among them.

import {
  EMPTY_BALANCE,
  chargedOf,
  remainingOf,
  spanOf,
  type Balance,
  type Budget,
} from '../../domain/budget.ts'
import { tierBudget } from '../../domain/hold.ts'
import type { Queries } from './database.ts'
import { budgetsOf } from './read-budgets.ts'
import { readClient, readTier } from './read-config.ts'
import { balanceFromRow, type BalanceRow } from './rows.ts'
import { jsonb, timestamp } from './statement.ts'

export type BudgetStanding = {
  readonly budget: Budget
  /** With surcharges, without holds. */
  readonly used: number
  readonly held: number
  readonly remaining: number
  readonly resetsAtMs: number | null
}

export async function getBudgets(
  sql: Queries,
  scope: string,
  nowMs: number,
): Promise<readonly BudgetStanding[]> {
  const own = await budgetsOf(sql, scope)
  const client = await readClient(sql, scope)
  const tier = client === null ? null : await readTier(sql, client.tier)
  const implicit = client === null || tier === null ? null : tierBudget(client, tier, own)
  const budgets = implicit === null ? own : [...own, implicit]
  const balances = await balancesOf(sql, budgets, nowMs)
  return budgets.map((budget, index) => {
    const balance = balances[index] ?? EMPTY_BALANCE
    return {
      budget,
      used: chargedOf(balance),
      held: balance.held,
      remaining: remainingOf(budget, balance),
      resetsAtMs: spanOf(budget, nowMs).endMs,
    }
  })
}

/** In the order of the budgets; null where the period was not used yet. */
async function balancesOf(
  sql: Queries,
  budgets: readonly Budget[],
  nowMs: number,
): Promise<readonly (Balance | null)[]> {
  if (budgets.length === 0) return []
  const wanted = budgets.map((budget, nth) => {
    const { scope, unit, period, timezone } = budget
    return { nth, scope, unit, period, timezone, startsAt: timestamp(spanOf(budget, nowMs).startMs) }
  })
  const rows = await sql<(BalanceRow & { nth: number })[]>`
    select nth, held, used, surcharge, crossed_at, carved, told_percent
    from jsonb_to_recordset(${jsonb(wanted)}) as wanted
      (nth integer, scope text, unit text, period text, timezone text, "startsAt" timestamptz)
    join budget using (scope, unit, period, timezone)
    join budget_period p on p.budget_id = budget.id and p.starts_at = "startsAt"`
  return budgets.map((_, nth) => {
    const row = rows.find((one) => one.nth === nth)
    return row === undefined ? null : balanceFromRow(row)
  })
}
