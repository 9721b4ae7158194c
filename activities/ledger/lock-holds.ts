// The holds of requests with the periods that they are in, locked in the order of B1 (lock-balances.ts).

import { momentIn, raised } from '../../domain/addition.ts'
import { measured, spanOf, type Balance } from '../../domain/budget.ts'
import { sliceCountsFrom, sliceStart } from '../../domain/calendar.ts'
import type { ChargedCredit, ChargedHold } from '../../domain/settlement.ts'
import { budgetJson } from './budget-json.ts'
import type { Transaction } from './database.ts'
import {
  balanceFromRow,
  budgetFromRow,
  periodKey,
  type BalanceRow,
  type BudgetRow,
  type PeriodOfBudget,
} from './rows.ts'
import { usedInWindows } from './used-in-windows.ts'

export type LockedHold = ChargedHold &
  PeriodOfBudget & {
    readonly requestId: string
    readonly admission: number
    readonly admittedAtMs: number
    readonly isOpen: boolean
    /** Of a rolling budget as it is measured now; else what its row says. */
    readonly balance: Balance
    /** Where the period is carved out of. */
    readonly above: readonly PeriodOfBudget[]
  }

type Row = BalanceRow & {
  readonly requestId: string
  readonly admission: number
  readonly createdAt: number
  readonly startsAt: number
  readonly amount: number
  readonly isOpen: boolean
  readonly budget: BudgetRow
  readonly tierAmount: number | null
  readonly credit: CreditFacts | null
}

type CreditFacts = Omit<ChargedCredit, 'ofKey'> & { readonly ofBudgetId: number }

/** The rows of the requests are locked by the caller, in the order of their ids. */
export async function lockHolds(
  tx: Transaction,
  requestIds: readonly string[],
  atMs: number,
): Promise<readonly LockedHold[]> {
  const rows = await tx<Row[]>`
    select h.request_id, h.admission, h.starts_at, h.amount, h.is_open, r.created_at,
           ${budgetJson(tx, tx`p.starts_at`, tx`p.starts_at`)} as budget,
           case when b.source = 'tier' then
             (select ((t.definition ->> 'monthlyBudgetUsd')::numeric * 1000000000)::bigint
              from client c join tier t on t.id = c.tier where c.id = b.scope) end as tier_amount,
           case when b.source = 'credit' then
             (select jsonb_build_object(
                'id', a.id, 'priority', a.priority, 'amount', a.amount, 'ofBudgetId', a.budget_id,
                'untilMs', (extract(epoch from a.until_at) * 1000)::bigint,
                'drawn', (select coalesce(sum(e.used), 0) from entry e
                          where e.request_id = h.request_id and e.admission = h.admission
                            and e.budget_id = h.budget_id))
              from addition a where a.id = b.credit_id) end as credit,
           p.held, p.used, p.surcharge, p.crossed_at, p.carved, p.told_percent,
           p.told_at
    from hold h
    join request r on r.id = h.request_id
    join budget b on b.id = h.budget_id
    join budget_period p on p.budget_id = h.budget_id and p.starts_at = h.starts_at
    where h.request_id = any (${requestIds as string[]})
    order by b.depth, b.id, p.starts_at
    for no key update of p`
  const holds = rows.map((row) => ({
    key: periodKey(row.budget.id, row.startsAt),
    requestId: row.requestId,
    admission: row.admission,
    admittedAtMs: row.createdAt,
    budgetId: row.budget.id,
    startsAtMs: row.startsAt,
    isOpen: row.isOpen,
    open: row.isOpen ? row.amount : 0,
    budget: budgetAt(row, atMs),
    credit: row.credit === null ? null : creditOf(row, row.credit, rows),
    balance: balanceFromRow(row),
    above: row.budget.above ?? [],
  }))
  return await inWindows(tx, holds, atMs)
}

/** Rolling budgets as they are measured now (B4). */
async function inWindows(
  tx: Transaction,
  holds: readonly LockedHold[],
  atMs: number,
): Promise<readonly LockedHold[]> {
  const rolling = new Map(
    holds.flatMap(({ key, budget: { windowMs }, budgetId, startsAtMs }) => {
      if (windowMs === undefined) return []
      return [[key, { budgetId, startsAtMs, countsFromMs: sliceCountsFrom(windowMs, atMs) }] as const]
    }),
  )
  if (rolling.size === 0) return holds
  const used = await usedInWindows(tx, [...rolling.values()])
  return holds.map((hold) => {
    const window = rolling.get(hold.key)
    if (window === undefined) return hold
    return {
      ...hold,
      balance: measured(hold.budget, { ...hold.balance, used: used.get(hold.key) ?? 0 }),
      hasLeft: sliceStart(hold.budget.windowMs ?? 0, hold.admittedAtMs) < window.countsFromMs,
    }
  })
}

/** As it is now; after its period, as it was at its end. */
function budgetAt({ budget: row, tierAmount, startsAt }: Row, atMs: number) {
  const budget = budgetFromRow(row, tierAmount ?? 0)
  const momentMs = budget.period === 'rolling' ? atMs : momentIn(spanOf(budget, startsAt), atMs)
  return raised(budget, row.raises ?? [], momentMs)
}

/** It is held together with its budget: whose period that is in, its hold tells. */
function creditOf(
  { requestId, admission }: Row,
  { ofBudgetId, ...credit }: CreditFacts,
  rows: readonly Row[],
): ChargedCredit {
  const own = rows.find(
    (row) => row.requestId === requestId && row.admission === admission && row.budget.id === ofBudgetId,
  )
  if (own === undefined) throw new Error(`${requestId} holds the credit ${credit.id} without its budget`)
  return { ...credit, ofKey: periodKey(ofBudgetId, own.startsAt) }
}
