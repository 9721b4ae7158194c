// Writes the budgets of a scope in place of those it had. Periods keep what they hold and what was used.

import { USD_UNIT, type Budget } from '../../domain/budget.ts'
import type { Refusal } from '../../domain/failure.ts'
import * as refusals from '../../domain/refusals.ts'
import { nextVersion, recordChanges, type Stored } from './change-config.ts'
import type { Sql, Transaction } from './database.ts'
import { budgetFromRow, type BudgetRow } from './rows.ts'
import { jsonb } from './statement.ts'

/** A refusal where the unit of a budget is unknown: nothing was written. */
export async function putBudgets(
  sql: Sql,
  scope: string,
  budgets: readonly Budget[],
  actor: string,
): Promise<Stored | { readonly refusal: Refusal }> {
  return await sql.begin(async (tx) => {
    const refusal = await unknownUnit(tx, budgets)
    if (refusal !== null) return { refusal }
    const version = await nextVersion(tx)
    const { hadAny } = await storeBudgets(tx, { scope, budgets }, { version, actor })
    return { version, created: !hadAny }
  })
}

export async function unknownUnit(tx: Transaction, budgets: readonly Budget[]): Promise<Refusal | null> {
  const units = [...new Set(budgets.map(({ unit }) => unit))].filter((unit) => unit !== USD_UNIT)
  if (units.length === 0) return null
  const known = await tx<{ id: string }[]>`select id from resource where id = any (${units})`
  const missing = units.find((unit) => !known.some(({ id }) => id === unit))
  return missing === undefined ? null : refusals.unknown('resource', missing)
}

type Replacement = { readonly scope: string; readonly budgets: readonly Budget[] }
type By = { readonly version: number; readonly actor: string }

/** The same inside a change that has its version already. */
export async function storeBudgets(
  tx: Transaction,
  { scope, budgets }: Replacement,
  by: By,
): Promise<{ readonly hadAny: boolean }> {
  const removed = await tx<BudgetRow[]>`
    update budget set is_active = false
    where scope = ${scope} and is_active
    returning id, scope, depth, unit, period, timezone, source, amount, enforcement, grace_ms,
              overage_multiplier, overage_max`
  const before = removed.map((row) => budgetFromRow(row))
  if (budgets.length > 0) await insert(tx, scope, budgets)
  const hadAny = before.length > 0
  if (hadAny || budgets.length > 0) {
    const changes = [{ kind: 'budgets', id: scope, before, after: budgets }] as const
    await recordChanges(tx, changes, by)
  }
  return { hadAny }
}

async function insert(tx: Transaction, scope: string, budgets: readonly Budget[]): Promise<void> {
  await tx`
    insert into budget (scope, unit, period, timezone, source, is_active, amount, enforcement, grace_ms,
                        overage_multiplier, overage_max)
    select ${scope}, unit, period, timezone, 'own', true, amount, enforcement, "graceMs",
           "overageMultiplier", "overageMax"
    from jsonb_to_recordset(${jsonb(budgets)}) as budget
      (unit text, period text, timezone text, amount bigint, enforcement text, "graceMs" bigint,
       "overageMultiplier" numeric, "overageMax" bigint)
    order by unit, period, timezone
    on conflict (scope, unit, period, timezone, window_ms) where credit_id is null do update set
      source = 'own', is_active = true, amount = excluded.amount, enforcement = excluded.enforcement,
      grace_ms = excluded.grace_ms, overage_multiplier = excluded.overage_multiplier,
      overage_max = excluded.overage_max`
}
