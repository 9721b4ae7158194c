// Writes the budgets of a scope in place of those it had. Periods keep what they hold and what was used.
//
// P1  Whoever may only lower changes nothing where anything would be raised.
// P2  Carve-outs are no configuration: they are given and taken back here (carve-outs.ts), and change no version.

import { isDeepStrictEqual } from 'node:util'
import { raisesOf } from '../../domain/budget-change.ts'
import { USD_UNIT, type Budget } from '../../domain/budget.ts'
import type { Refusal } from '../../domain/failure.ts'
import * as refusals from '../../domain/refusals.ts'
import { changeCarveOuts, type CarveOutAsk } from './carve-outs.ts'
import { nextVersion, recordChanges, type Stored } from './change-config.ts'
import type { Sql, Transaction } from './database.ts'
import { refusable } from './refusable.ts'
import { budgetRowsOf, budgetsOf } from './read-budgets.ts'
import { budgetFromRow } from './rows.ts'
import { jsonb } from './statement.ts'

export type Definition = {
  readonly scope: string
  readonly budgets: readonly Budget[]
  readonly carveOuts: readonly CarveOutAsk[]
}

export type By = { readonly actor: string; readonly mayRaise: boolean; readonly atMs: number }

/** A refusal where a unit is unknown, something would be raised that may not, or cannot be carved out: nothing was written. */
export async function putBudgets(
  sql: Sql,
  { scope, budgets, carveOuts }: Definition,
  { actor, mayRaise, atMs }: By,
): Promise<Stored | { readonly refusal: Refusal }> {
  return await refusable(sql, async (tx, refuse) => {
    const unknown = await unknownUnit(tx, [...budgets, ...carveOuts])
    if (unknown !== null) return refuse(unknown)
    // Definitions are replaced one after the other, so that each is compared with what it replaces.
    const [config] = await tx<[{ version: number }]>`select version from config for no key update`
    const rows = await budgetRowsOf(tx, scope, atMs)
    const before = rows.filter(({ source }) => source === 'own').map((row) => budgetFromRow(row))
    const raises = mayRaise ? [] : raisesOf(before, budgets)
    if (raises.length > 0) return refuse(refusals.mayNotRaise(raises))
    const isSame = isDeepStrictEqual(inOrder(before), inOrder(budgets))
    const version = isSame ? config.version : await nextVersion(tx)
    if (!isSame) await storeBudgets(tx, { scope, budgets }, { version, actor })
    const refusal = await changeCarveOuts(tx, { scope, rows, carveOuts }, atMs)
    if (refusal !== null) return refuse(refusal)
    return { version, created: rows.length === 0 }
  })
}

function inOrder(budgets: readonly Budget[]): readonly Budget[] {
  const keyOf = ({ unit, period, windowMs = 0 }: Budget) => `${unit} ${period} ${windowMs}`
  return budgets.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
}

export async function unknownUnit(
  tx: Transaction,
  budgets: readonly { readonly unit: string }[],
): Promise<Refusal | null> {
  const units = [...new Set(budgets.map(({ unit }) => unit))].filter((unit) => unit !== USD_UNIT)
  if (units.length === 0) return null
  const known = await tx<{ id: string }[]>`select id from resource where id = any (${units})`
  const missing = units.find((unit) => !known.some(({ id }) => id === unit))
  return missing === undefined ? null : refusals.unknown('resource', missing)
}

type Replacement = { readonly scope: string; readonly budgets: readonly Budget[] }

/** The same inside a change that has its version already; carve-outs stay as they are. */
export async function storeBudgets(
  tx: Transaction,
  { scope, budgets }: Replacement,
  by: { readonly version: number; readonly actor: string },
): Promise<void> {
  const before = await budgetsOf(tx, scope)
  await tx`update budget set is_active = false where scope = ${scope} and is_active and source = 'own'`
  if (budgets.length > 0) await insert(tx, scope, budgets)
  if (before.length > 0 || budgets.length > 0) {
    await recordChanges(tx, [{ kind: 'budgets', id: scope, before, after: budgets }], by)
  }
}

async function insert(tx: Transaction, scope: string, budgets: readonly Budget[]): Promise<void> {
  await tx`
    insert into budget (scope, unit, period, timezone, window_ms, source, is_active, amount, enforcement, grace_ms,
                        overage_multiplier, overage_max, thresholds)
    select ${scope}, unit, period, timezone, coalesce("windowMs", 0), 'own', true, amount, enforcement, "graceMs",
           "overageMultiplier", "overageMax", thresholds
    from jsonb_to_recordset(${jsonb(budgets)}) as budget
      (unit text, period text, timezone text, "windowMs" bigint, amount bigint, enforcement text,
       "graceMs" bigint, "overageMultiplier" numeric, "overageMax" bigint, thresholds jsonb)
    order by unit, period, timezone, "windowMs"
    on conflict (scope, unit, period, timezone, window_ms) where credit_id is null do update set
      source = 'own', is_active = true, amount = excluded.amount, enforcement = excluded.enforcement,
      grace_ms = excluded.grace_ms, overage_multiplier = excluded.overage_multiplier,
      overage_max = excluded.overage_max, thresholds = excluded.thresholds, carved_from = null, given_at = null`
}
