// Where the budgets of a scope stand in their current periods, the one of a client's tier among them.

import { raised } from '../../domain/addition.ts'
import {
  EMPTY_BALANCE,
  chargedOf,
  measured,
  remainingOf,
  sizeOf,
  spanOf,
  type Balance,
  type Budget,
} from '../../domain/budget.ts'
import { sliceCountsFrom } from '../../domain/calendar.ts'
import { keptOf } from '../../domain/carve-out.ts'
import { burnOrder } from '../../domain/credit.ts'
import { availableOf, tierBudget } from '../../domain/hold.ts'
import type { Queries } from './database.ts'
import { budgetRowsOf } from './read-budgets.ts'
import { readClient, readTier } from './read-config.ts'
import { balanceFromRow, budgetFromRow, type AddedRaise, type BalanceRow, type CreditRow } from './rows.ts'
import { jsonb, timestamp } from './statement.ts'

export type BudgetStanding = {
  /** As it is now: the amount with what raises it, a carve-out's as it was given. */
  readonly budget: Budget
  /** The amount without what raises it. */
  readonly configured: number
  /** With surcharges, without holds. */
  readonly used: number
  readonly held: number
  readonly remaining: number
  /** What could be held now, credits included. */
  readonly available: number
  readonly resetsAtMs: number | null
  readonly carveOuts: readonly CarveOutStanding[]
  readonly raises: readonly AddedRaise[]
  /** In the order in which they are burnt. */
  readonly credits: readonly (CreditRow & { readonly used: number; readonly held: number })[]
}

export type CarveOutStanding = {
  readonly scope: string
  readonly amount: number
  readonly used: number
  readonly held: number
  readonly kept: number
}

export async function getBudgets(
  sql: Queries,
  scope: string,
  nowMs: number,
): Promise<readonly BudgetStanding[]> {
  const rows = await budgetRowsOf(sql, scope, nowMs)
  const client = await readClient(sql, scope)
  const tier = client === null ? null : await readTier(sql, client.tier)
  const own = rows.map((row) => ({
    budget: raised(budgetFromRow(row), row.raises ?? [], nowMs),
    configured: row.amount ?? 0,
    raises: (row.raises ?? []).filter(({ fromMs }) => fromMs <= nowMs),
    credits: (row.credits ?? []).toSorted(burnOrder),
  }))
  const configured = own.map(({ budget }) => budget)
  const implicit = client === null || tier === null ? null : tierBudget(client, tier, configured)
  const budgets =
    implicit === null
      ? own
      : [...own, { budget: implicit, configured: implicit.amount, raises: [], credits: [] }]
  const found = await standingsOf(
    sql,
    budgets.map(({ budget }) => budget),
    nowMs,
  )
  const creditBalances = await balancesOfCredits(
    sql,
    budgets.flatMap(({ credits }) => credits),
  )
  return budgets.map(({ budget, credits, ...rest }, nth) => {
    const { balance, carveOuts } = found[nth] ?? NOTHING
    const burnt = credits.map((credit) => {
      const { used, held } = creditBalances.get(credit.budgetId) ?? EMPTY_BALANCE
      return { ...credit, used, held }
    })
    const remaining = remainingOf(budget, balance)
    const free = burnt.map(({ amount, used, held }) => ({ free: amount - used - held }))
    return {
      budget: { ...budget, amount: sizeOf(budget, balance) },
      ...rest,
      used: chargedOf(balance),
      held: balance.held,
      remaining,
      available: availableOf(remaining, free),
      resetsAtMs: spanOf(budget, nowMs).endMs,
      carveOuts,
      credits: burnt,
    }
  })
}

type Found = { readonly balance: Balance; readonly carveOuts: readonly CarveOutStanding[] }
const NOTHING: Found = { balance: EMPTY_BALANCE, carveOuts: [] }

type FoundRow = BalanceRow & {
  readonly nth: number
  readonly usedInWindow: number | null
  readonly below: readonly (BalanceRow & { readonly scope: string })[] | null
}

/** In the order of the budgets. */
async function standingsOf(
  sql: Queries,
  budgets: readonly Budget[],
  nowMs: number,
): Promise<readonly Found[]> {
  if (budgets.length === 0) return []
  const wanted = budgets.map((budget, nth) => {
    const { scope, unit, period, timezone, windowMs = 0 } = budget
    const countsFrom = timestamp(windowMs === 0 ? 0 : sliceCountsFrom(windowMs, nowMs))
    return {
      nth,
      scope,
      unit,
      period,
      timezone,
      window_ms: windowMs,
      countsFrom,
      startsAt: timestamp(spanOf(budget, nowMs).startMs),
    }
  })
  const rows = await sql<FoundRow[]>`
    select nth, held, used, surcharge, crossed_at, carved, told_percent, told_at,
           (select coalesce(sum(s.used), 0)::bigint from budget_slice s
            where window_ms > 0 and s.budget_id = budget.id and s.starts_at >= "countsFrom") as used_in_window,
           (select jsonb_agg(jsonb_build_object(
              'scope', c.scope, 'held', l.held, 'used', l.used, 'surcharge', l.surcharge, 'carved', l.carved)
              order by c.scope)
            from carve_out o
            join budget c on c.id = o.budget_id
            join budget_period l on l.budget_id = o.budget_id and l.starts_at = o.starts_at
            where o.from_budget_id = p.budget_id and o.from_starts_at = p.starts_at
              and (l.carved > 0 or l.held > 0)) as below
    from jsonb_to_recordset(${jsonb(wanted)}) as wanted
      (nth integer, scope text, unit text, period text, timezone text, window_ms bigint,
       "countsFrom" timestamptz, "startsAt" timestamptz)
    join budget using (scope, unit, period, timezone, window_ms)
    join budget_period p on p.budget_id = budget.id and p.starts_at = "startsAt"
    where budget.credit_id is null`
  const byNth = new Map(rows.map((row) => [row.nth, row]))
  return budgets.map((budget, nth) => {
    const row = byNth.get(nth)
    if (row === undefined) return NOTHING
    const balance = balanceFromRow(row)
    return {
      balance:
        budget.period === 'rolling' ? measured(budget, { ...balance, used: row.usedInWindow ?? 0 }) : balance,
      carveOuts: (row.below ?? []).map(({ scope, held, used, surcharge, carved }) => ({
        scope,
        amount: carved ?? 0,
        used: used + surcharge,
        held,
        kept: keptOf({ held, used, carved }),
      })),
    }
  })
}

async function balancesOfCredits(
  sql: Queries,
  credits: readonly CreditRow[],
): Promise<ReadonlyMap<number, Pick<Balance, 'held' | 'used'>>> {
  if (credits.length === 0) return new Map()
  const rows = await sql<{ budgetId: number; held: number; used: number }[]>`
    select budget_id, held, used from budget_period where budget_id = any (${credits.map(({ budgetId }) => budgetId)})`
  return new Map(rows.map((row) => [row.budgetId, row]))
}
