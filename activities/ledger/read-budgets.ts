// The budgets that a scope has by its own definition.

import type { Budget } from '../../domain/budget.ts'
import type { Queries } from './database.ts'
import { budgetFromRow, type BudgetRow } from './rows.ts'

/** By unit and period; the tier's are not among them. */
export async function budgetsOf(sql: Queries, scope: string): Promise<readonly Budget[]> {
  const rows = await sql<BudgetRow[]>`
    select id, scope, depth, unit, period, timezone, source, amount, enforcement, grace_ms, overage_multiplier,
           overage_max
    from budget
    where scope = ${scope} and is_active
    order by unit, period`
  return rows.map((row) => budgetFromRow(row))
}
