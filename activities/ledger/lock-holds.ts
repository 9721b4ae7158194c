// The holds of requests with the periods that they are in, locked in the order of B1 (lock-balances.ts).

import type { Balance, Budget } from '../../domain/budget.ts'
import type { ChargedHold } from '../../domain/settlement.ts'
import type { Transaction } from './database.ts'
import { balanceFromRow, budgetFromRow, periodKey, type BalanceRow, type BudgetRow } from './rows.ts'

export type LockedHold = ChargedHold & {
  readonly requestId: string
  readonly admission: number
  readonly budgetId: number
  readonly startsAtMs: number
  readonly isOpen: boolean
  readonly budget: Budget
  readonly balance: Balance
}

type Row = Omit<BudgetRow, 'id' | 'amount'> &
  BalanceRow & {
    readonly requestId: string
    readonly admission: number
    readonly budgetId: number
    readonly budgetAmount: number | null
    readonly startsAt: number
    readonly amount: number
    readonly isOpen: boolean
  }

/** The rows of the requests are locked by the caller, in the order of their ids. */
export async function lockHolds(
  tx: Transaction,
  requestIds: readonly string[],
): Promise<readonly LockedHold[]> {
  const rows = await tx<Row[]>`
    select h.request_id, h.admission, h.budget_id, h.starts_at, h.amount, h.is_open,
           b.scope, b.depth, b.unit, b.period, b.timezone, b.source, b.amount as budget_amount, b.enforcement,
           b.grace_ms, b.overage_multiplier, b.overage_max,
           p.held, p.used, p.surcharge, p.crossed_at, p.carved, p.told_percent
    from hold h
    join budget b on b.id = h.budget_id
    join budget_period p on p.budget_id = h.budget_id and p.starts_at = h.starts_at
    where h.request_id = any (${requestIds as string[]})
    order by b.depth, b.id, p.starts_at
    for no key update of p`
  return rows.map((row) => ({
    key: periodKey(row.budgetId, row.startsAt),
    requestId: row.requestId,
    admission: row.admission,
    budgetId: row.budgetId,
    startsAtMs: row.startsAt,
    isOpen: row.isOpen,
    open: row.isOpen ? row.amount : 0,
    budget: budgetFromRow({ ...row, id: row.budgetId, amount: row.budgetAmount }),
    balance: balanceFromRow(row),
  }))
}
