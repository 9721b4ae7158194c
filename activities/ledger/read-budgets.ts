// The budgets that a scope has by its own definition, its carve-outs among them.

import type { Budget } from '../../domain/budget.ts'
import { budgetJson } from './budget-json.ts'
import type { Queries } from './database.ts'
import { budgetFromRow, type BudgetRow } from './rows.ts'
import { timestamp } from './statement.ts'

/** By unit and period; the tier's are not among them, nor are credits. */
export async function budgetRowsOf(sql: Queries, scope: string, atMs: number): Promise<readonly BudgetRow[]> {
  const rows = await sql<{ budget: BudgetRow }[]>`
    select ${budgetJson(sql, timestamp(atMs))} as budget
    from budget b
    where b.scope = ${scope} and b.is_active and b.source <> 'credit'
    order by b.unit, b.period, b.window_ms`
  return rows.map(({ budget }) => budget)
}

/** What is configured: without carve-outs, which are given and taken back while the system runs. */
export async function budgetsOf(sql: Queries, scope: string): Promise<readonly Budget[]> {
  const rows = await budgetRowsOf(sql, scope, 0)
  return rows.filter(({ source }) => source === 'own').map((row) => budgetFromRow(row))
}
