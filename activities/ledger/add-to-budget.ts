// Adds to a budget, once by the id: a temporary increase, a top-up or a credit (domain/addition.ts).
//
// A1  The same id with the same content again changes nothing and says so; with another content it is a mismatch.

import { spanOf, type BudgetPeriod } from '../../domain/budget.ts'
import { topUpRaise } from '../../domain/addition.ts'
import * as refusals from '../../domain/refusals.ts'
import type { Refusal } from '../../domain/failure.ts'
import type { Transaction, Sql } from './database.ts'
import { budgetRowsOf } from './read-budgets.ts'
import { refusable } from './refusable.ts'
import { budgetFromRow, type BudgetRow } from './rows.ts'
import { timestamp } from './statement.ts'

/** Raises and credits that a budget may have in force at once. */
const ADDITIONS_MAX = 32

export type Addition = {
  readonly id: string
  readonly scope: string
  readonly unit: string
  readonly period: BudgetPeriod
  /** Of a rolling budget, else 0. */
  readonly windowMs: number
  readonly amount: number
  readonly contentHash: string
} & (
  | { readonly kind: 'increase'; readonly untilMs: number }
  | { readonly kind: 'top-up' }
  | { readonly kind: 'credit'; readonly untilMs: number | null; readonly priority: number }
)

export type Added = { readonly isReplay: boolean }

export async function addToBudget(
  sql: Sql,
  addition: Addition,
  { actor, atMs }: { readonly actor: string; readonly atMs: number },
): Promise<Added | { readonly refusal: Refusal }> {
  return await refusable(sql, async (tx, refuse) => {
    const before = await readAddition(tx, addition.id)
    if (before !== null) return replayed(before)
    const rows = await budgetRowsOf(tx, addition.scope, atMs)
    const budget = rows.find((row) => isOf(row, addition))
    if (budget === undefined) return refuse(refusals.noBudget(addition))
    if (budget.source === 'carved') return refuse(refusals.carvedIsFixed(addition))
    if ((budget.raises?.length ?? 0) + (budget.credits?.length ?? 0) >= ADDITIONS_MAX) {
      return refuse(refusals.tooManyAdditions(addition, ADDITIONS_MAX))
    }
    if (await insert(tx, { addition, budget, actor, atMs })) return { isReplay: false }
    // Somebody else was quicker with the id, and has committed.
    const taken = await readAddition(tx, addition.id)
    return taken === null ? refuse(refusals.idTaken(addition.id)) : replayed(taken)

    function replayed(hash: string): Added {
      return hash === addition.contentHash ? { isReplay: true } : refuse(refusals.idTaken(addition.id))
    }
  })
}

/** The hash of its content; null: the id is free. */
async function readAddition(tx: Transaction, id: string): Promise<string | null> {
  const [row] = await tx<{ contentHash: string }[]>`select content_hash from addition where id = ${id}`
  return row?.contentHash ?? null
}

function isOf(row: BudgetRow, { unit, period, windowMs }: Addition): boolean {
  return row.unit === unit && row.period === period && row.windowMs === windowMs
}

type Insert = {
  readonly addition: Addition
  readonly budget: BudgetRow
  readonly actor: string
  readonly atMs: number
}

/** False where the id is taken. */
async function insert(tx: Transaction, { addition, budget, actor, atMs }: Insert): Promise<boolean> {
  const { id, kind, amount, contentHash } = addition
  const { fromMs, untilMs } =
    kind === 'top-up'
      ? topUpRaise(amount, spanOf(budgetFromRow(budget), atMs))
      : { fromMs: atMs, untilMs: addition.untilMs }
  const priority = kind === 'credit' ? addition.priority : null
  const inserted = await tx`
    with added as (
      insert into addition (id, budget_id, kind, amount, from_at, until_at, priority, content_hash, actor, at)
      values (${id}, ${budget.id}, ${kind}, ${amount}, ${timestamp(fromMs)}, ${timestamp(untilMs)}, ${priority},
              ${contentHash}, ${actor}, ${timestamp(atMs)})
      on conflict (id) do nothing
      returning id, kind, amount
    ), credits as (
      insert into budget (scope, unit, period, timezone, source, is_active, amount, enforcement, credit_id)
      select ${budget.scope}, ${budget.unit}, 'total', 'UTC', 'credit', true, amount, 'hard', id
      from added where kind = 'credit'
    )
    select id from added`
  return inserted.length > 0
}
