// The rows of budgets that clients have from their tiers: made when they are first used.

import type { Budget } from '../../domain/budget.ts'
import type { Transaction } from './database.ts'
import { jsonb } from './statement.ts'

/** Ids by `budgetKey`; rows that somebody else made meanwhile are among them. */
export async function makeTierBudgets(
  tx: Transaction,
  budgets: readonly Budget[],
): Promise<ReadonlyMap<string, number>> {
  if (budgets.length === 0) return new Map()
  const wanted = [...new Map(budgets.map((one) => [budgetKey(one), one])).values()]
  const rows = await tx<(Pick<Budget, 'scope' | 'unit' | 'period' | 'timezone'> & { id: number })[]>`
    insert into budget (scope, unit, period, timezone, source, is_active, enforcement)
    select scope, unit, period, timezone, 'tier', false, 'hard'
    from jsonb_to_recordset(${jsonb(wanted)}) as wanted (scope text, unit text, period text, timezone text)
    order by scope, unit, period, timezone
    on conflict (scope, unit, period, timezone, window_ms) where credit_id is null do update set source = budget.source
    returning id, scope, unit, period, timezone`
  return new Map(rows.map((row) => [budgetKey(row), row.id]))
}

/** What there is one budget of. */
export function budgetKey({
  scope,
  unit,
  period,
  timezone,
}: Pick<Budget, 'scope' | 'unit' | 'period' | 'timezone'>) {
  return [scope, unit, period, timezone].join(' ')
}
