// Carve-outs given to a scope, changed and taken back; the rule is in domain/carve-out.ts.
//
// O1  All that one change touches is locked first, in the order of all who lock (lock-balances.ts), above and below.
// O2  The same definition again changes nothing. A life ends once: its second end finds nothing that is kept.
// O4  A carve-out ends with what it is carved out of, the deepest first.
// O5  The carve-outs of a unit on one path are a chain, each from the next one above: so a request draws on one of them.
// O3  A scope that is given a carve-out after its end begins a new life.

import { EMPTY_BALANCE, remainingOf, spanOf, type Balance, type Budget } from '../../domain/budget.ts'
import { raised } from '../../domain/addition.ts'
import { keptMore, keptOf, withBalance, type Above, type Balances } from '../../domain/carve-out.ts'
import type { Refusal } from '../../domain/failure.ts'
import * as refusals from '../../domain/refusals.ts'
import { budgetJson } from './budget-json.ts'
import type { Transaction } from './database.ts'
import { lockBalances } from './lock-balances.ts'
import { budgetRowsOf } from './read-budgets.ts'
import { budgetFromRow, periodFromKey, periodKey, type BudgetRow, type PeriodOfBudget } from './rows.ts'
import { jsonb, timestamp, type Fragment } from './statement.ts'

export type CarveOutAsk = {
  readonly unit: string
  readonly amount: number
  readonly fromScope: string
  readonly thresholds: readonly number[] | null
}

type Change = {
  readonly scope: string
  /** What the scope has now. */
  readonly rows: readonly BudgetRow[]
  readonly carveOuts: readonly CarveOutAsk[]
}

/** Ends the carve-outs that are not wanted any more and gives those that are; null, or why not: then roll back. */
export async function changeCarveOuts(
  tx: Transaction,
  { scope, rows, carveOuts }: Change,
  atMs: number,
): Promise<Refusal | null> {
  const current = rows.filter(({ source }) => source === 'carved')
  const removed = current.filter(({ unit }) => !carveOuts.some((ask) => ask.unit === unit))
  const unwanted = removed.length === 0 ? [] : await withLivesBelow(tx, removed)
  if (carveOuts.length === 0 && unwanted.length === 0) return null
  const given: Given[] = []
  for (const ask of carveOuts) {
    const life = current.find(({ unit }) => unit === ask.unit)
    if (life !== undefined && life.carvedFrom !== ask.fromScope) {
      return refusals.carvedElsewhere(scope, ask.unit, life.carvedFrom ?? '')
    }
    const apart = life === undefined ? await offChain(tx, scope, ask) : null
    if (apart !== null) return refusals.offChain(scope, ask.unit, apart)
    const parents = await parentsOf(tx, ask, atMs)
    if (parents.length === 0 && life === undefined) return refusals.nothingToCarve(ask.fromScope, ask.unit)
    given.push({
      ask,
      ...(life === undefined ? await newLife(tx, { scope, ask, parents }, atMs) : kept(life)),
      parents,
    })
  }
  const books = await lockBooks(tx, [...given.map(({ period }) => period), ...unwanted.map(periodOf)])
  let { balances } = books
  for (const one of given) {
    const key = keyOf(one.period)
    const before = balances[key] ?? EMPTY_BALANCE
    const after: Balance = { ...before, carved: one.ask.amount }
    const refusal = refusalAbove(one.parents, { balances, more: keptMore(before, after) }, atMs)
    if (refusal !== null) return refusal
    balances = withBalance(balances, books.above, key, after)
  }
  for (const life of unwanted) balances = ended(balances, books.above, keyOf(periodOf(life)))
  await writeBalances(tx, books.balances, balances)
  await tx`
    update budget b set amount = g.amount, thresholds = nullif(g.thresholds, 'null')
    from jsonb_to_recordset(${jsonb(given.map(({ ask, period }) => ({ ...ask, id: period.budgetId })))})
      as g (id bigint, amount bigint, thresholds jsonb)
    where b.id = g.id`
  await deactivate(tx, unwanted)
  return null
}

export type EndedLife = {
  readonly scope: string
  readonly unit: string
  readonly returned: number
  /** Held by requests that are still open; it returns as they settle. */
  readonly stillHeld: number
}

/** Ends the carve-outs of a scope and of all scopes below it, the deepest first. */
export async function endCarveOuts(tx: Transaction, scope: string): Promise<readonly EndedLife[]> {
  const rows = await livesBelow(tx, scope)
  if (rows.length === 0) return []
  const books = await lockBooks(tx, rows.map(periodOf))
  let { balances } = books
  const lives: EndedLife[] = []
  for (const row of rows) {
    const key = keyOf(periodOf(row))
    const before = balances[key] ?? EMPTY_BALANCE
    balances = ended(balances, books.above, key)
    const stillHeld = keptOf(balances[key] ?? EMPTY_BALANCE)
    lives.push({ scope: row.scope, unit: row.unit, returned: keptOf(before) - stillHeld, stillHeld })
  }
  await writeBalances(tx, books.balances, balances)
  await deactivate(tx, rows)
  return lives
}

function ended(balances: Balances, above: Above, key: string): Balances {
  return withBalance(balances, above, key, { ...(balances[key] ?? EMPTY_BALANCE), carved: 0 })
}

/** The scope of a carve-out with which a new one would not be a chain (O5), or null. */
async function offChain(
  tx: Transaction,
  scope: string,
  { unit, fromScope }: CarveOutAsk,
): Promise<string | null> {
  const isWithin = (below: Fragment, above: Fragment) =>
    tx`(${above} = 'global' or ${below} = ${above} or starts_with(${below}, ${above} || '/'))`
  const [row] = await tx<{ scope: string }[]>`
    select scope
    from budget, (select ${scope}::text as given, ${fromScope}::text as source) as asked
    where unit = ${unit} and is_active and budget.source = 'carved' and scope <> given
      and (${isWithin(tx`given`, tx`scope`)} and scope <> asked.source and ${isWithin(tx`scope`, tx`asked.source`)}
           or ${isWithin(tx`scope`, tx`given`)} and not ${isWithin(tx`carved_from`, tx`given`)})
    order by depth, scope
    limit 1`
  return row?.scope ?? null
}

type Given = {
  readonly ask: CarveOutAsk
  readonly period: PeriodOfBudget
  readonly parents: readonly Parent[]
}

type Parent = { readonly budget: Budget; readonly period: PeriodOfBudget }

function kept(life: BudgetRow): { readonly period: PeriodOfBudget } {
  return { period: periodOf(life) }
}

function periodOf({ id, givenAtMs }: BudgetRow): PeriodOfBudget {
  return { budgetId: id, startsAtMs: givenAtMs ?? 0 }
}

function keyOf({ budgetId, startsAtMs }: PeriodOfBudget): string {
  return periodKey(budgetId, startsAtMs)
}

/** Every budget of the unit at that scope; a rolling one is held by each request itself. */
async function parentsOf(
  tx: Transaction,
  { fromScope, unit }: CarveOutAsk,
  atMs: number,
): Promise<readonly Parent[]> {
  const rows = await budgetRowsOf(tx, fromScope, atMs)
  return rows
    .filter((row) => row.unit === unit && row.period !== 'rolling')
    .map((row) => {
      const budget = raised(budgetFromRow(row), row.raises ?? [], atMs)
      return { budget, period: { budgetId: row.id, startsAtMs: spanOf(budget, atMs).startMs } }
    })
}

type Birth = { readonly scope: string; readonly ask: CarveOutAsk; readonly parents: readonly Parent[] }

/** O3. The life's period begins after every earlier one of the scope. */
async function newLife(
  tx: Transaction,
  { scope, ask, parents }: Birth,
  atMs: number,
): Promise<{ readonly period: PeriodOfBudget }> {
  const [row] = await tx<[{ id: number; givenAt: number }]>`
    insert into budget (scope, unit, period, timezone, source, is_active, amount, enforcement, carved_from, given_at)
    values (${scope}, ${ask.unit}, 'total', 'UTC', 'carved', true, ${ask.amount}, 'hard', ${ask.fromScope},
            ${timestamp(atMs)})
    on conflict (scope, unit, period, timezone, window_ms) where credit_id is null do update set
      source = 'carved', is_active = true, amount = excluded.amount, enforcement = 'hard', grace_ms = null,
      overage_multiplier = null, overage_max = null, carved_from = excluded.carved_from,
      given_at = greatest(excluded.given_at, (select max(starts_at) + interval '1 millisecond'
                                              from budget_period where budget_id = budget.id))
    returning id, given_at`
  const { id, givenAt } = row
  const above = parents.map(({ period }) => ({ id: period.budgetId, at: timestamp(period.startsAtMs) }))
  await tx`
    with parents as (
      select id, at from jsonb_to_recordset(${jsonb(above)}) as parent (id bigint, at timestamptz)
    ), periods as (
      insert into budget_period (budget_id, starts_at, carved)
      (select id, at, null::bigint from parents order by id) union all select ${id}, ${timestamp(givenAt)}, 0
      on conflict do nothing
    )
    insert into carve_out (budget_id, starts_at, from_budget_id, from_starts_at)
    select ${id}, ${timestamp(givenAt)}, id, at from parents`
  return { period: { budgetId: id, startsAtMs: givenAt } }
}

/** The first budget above that has not so much more, or null. */
function refusalAbove(
  parents: readonly Parent[],
  { balances, more }: { readonly balances: Balances; readonly more: number },
  atMs: number,
): Refusal | null {
  for (const { budget, period } of parents) {
    const remaining = remainingOf(budget, balances[keyOf(period)] ?? EMPTY_BALANCE)
    if (more <= 0 || more <= remaining) continue
    const resetsAtMs = spanOf(budget, atMs).endMs
    return refusals.budgetExceeded(budget, { needed: more, remaining, resetsAtMs })
  }
  return null
}

type Books = { readonly balances: Balances; readonly above: Above }

/** The lives and everything that they are carved out of, up to the roots, locked (O1). */
async function lockBooks(tx: Transaction, lives: readonly PeriodOfBudget[]): Promise<Books> {
  const below = lives.map(({ budgetId, startsAtMs }) => ({ id: budgetId, at: timestamp(startsAtMs) }))
  const links = await tx<{ id: number; at: number; fromId: number; fromAt: number }[]>`
    with recursive link as (
      select o.* from jsonb_to_recordset(${jsonb(below)}) as life (id bigint, at timestamptz)
      join carve_out o on o.budget_id = life.id and o.starts_at = life.at
      union
      select o.* from link join carve_out o on o.budget_id = link.from_budget_id
                                           and o.starts_at = link.from_starts_at
    )
    select budget_id as id, starts_at as at, from_budget_id as from_id, from_starts_at as from_at from link`
  const parents = links.map(({ fromId, fromAt }) => ({ budgetId: fromId, startsAtMs: fromAt }))
  const above: Record<string, string[]> = {}
  for (const { id, at, fromId, fromAt } of links) {
    const key = periodKey(id, at)
    above[key] = [...(above[key] ?? []), periodKey(fromId, fromAt)]
  }
  return { balances: await lockBalances(tx, [...lives, ...parents]), above }
}

async function writeBalances(tx: Transaction, before: Balances, after: Balances): Promise<void> {
  const changed = Object.entries(after).filter(([key, balance]) => balance !== before[key])
  const rows = changed.map(([key, { held, carved }]) => {
    const { budgetId, startsAtMs } = periodFromKey(key)
    return { id: budgetId, at: timestamp(startsAtMs), held, carved }
  })
  await tx`
    update budget_period p set held = b.held, carved = b.carved
    from jsonb_to_recordset(${jsonb(rows)}) as b (id bigint, at timestamptz, held bigint, carved bigint)
    where p.budget_id = b.id and p.starts_at = b.at`
}

type Found = readonly { readonly budget: BudgetRow }[]

/** Of a scope and of those below it, the deepest first. */
async function livesBelow(tx: Transaction, scope: string): Promise<readonly BudgetRow[]> {
  const rows = await tx<Found>`
    select ${budgetJson(tx, timestamp(0))} as budget from budget b
    where b.is_active and b.source = 'carved' and (b.scope = ${scope} or starts_with(b.scope, ${`${scope}/`}))
    order by b.depth desc, b.id`
  return rows.map(({ budget }) => budget)
}

/** With those that are carved out of them (O4), the deepest first. */
async function withLivesBelow(tx: Transaction, lives: readonly BudgetRow[]): Promise<readonly BudgetRow[]> {
  const rows = await tx<Found>`
    with recursive life as (
      select id, given_at from budget where id = any (${lives.map(({ id }) => id)})
      union
      select b.id, b.given_at from life
      join carve_out o on o.from_budget_id = life.id and o.from_starts_at = life.given_at
      join budget b on b.id = o.budget_id and b.given_at = o.starts_at and b.is_active
    )
    select ${budgetJson(tx, timestamp(0))} as budget from life join budget b using (id) order by b.depth desc, b.id`
  return rows.map(({ budget }) => budget)
}

async function deactivate(tx: Transaction, rows: readonly BudgetRow[]): Promise<void> {
  await tx`update budget set is_active = false where id = any (${rows.map(({ id }) => id)})`
}
