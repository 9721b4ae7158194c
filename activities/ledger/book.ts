// Books what requests used, and gives their holds back: the one place that changes balances after admission.
//
// K1  The rows of the requests are locked by the caller, in the order of their ids; periods are locked here (B1).
// K2  One statement writes cost lines, entries, holds and balances together.
// K3  Each entry and line exists once per request, attempt and kind: booking twice fails instead of counting twice.

import type { Balance, Budget } from '../../domain/budget.ts'
import { charge, charged, type Booking, type Charge, type ChargedHold } from '../../domain/settlement.ts'
import { jsonb, toTimestamp, type Transaction } from './database.ts'
import { balanceFromRow, budgetFromRow, periodKey, type BalanceRow, type BudgetRow } from './rows.ts'

export type ToBook = {
  readonly requestId: string
  readonly admission: number
  readonly bookings: readonly Booking[]
}

export async function book(tx: Transaction, toBook: readonly ToBook[], atMs: number): Promise<void> {
  const holds = await lockHolds(
    tx,
    toBook.map(({ requestId }) => requestId),
  )
  const balances: Record<string, Balance> = {}
  for (const { key, balance } of holds) balances[key] = balance
  const entries = toBook.flatMap(({ requestId, admission, bookings }) => {
    const own = holds.filter((hold) => hold.requestId === requestId && hold.admission === admission)
    const charges = charge(own, bookings, balances)
    return charges.map((one) => {
      const hold = own.find(({ key }) => key === one.key)
      const before = balances[one.key]
      if (hold === undefined || before === undefined) throw new Error(`no hold of ${one.key}`)
      balances[one.key] = charged(before, one, hold.budget.amount, atMs)
      return { requestId, admission, budgetId: hold.budgetId, ...one }
    })
  })
  const lines = toBook.flatMap(({ requestId, bookings }) =>
    bookings.flatMap(({ attempt, kind, lines }) =>
      lines.map((line) => ({ requestId, attempt, kind, ...line })),
    ),
  )
  if (entries.length === 0 && lines.length === 0 && holds.every(({ isOpen }) => !isOpen)) return
  await write(tx, {
    requestIds: toBook.map(({ requestId }) => requestId),
    entries,
    lines,
    holds,
    balances,
    atMs,
  })
}

type LockedHold = ChargedHold & {
  readonly requestId: string
  readonly admission: number
  readonly budgetId: number
  readonly startsAtMs: number
  readonly isOpen: boolean
  readonly budget: Budget
  readonly balance: Balance
}

type HoldRow = Omit<BudgetRow, 'id' | 'amount'> &
  BalanceRow & {
    readonly requestId: string
    readonly admission: number
    readonly budgetId: number
    readonly budgetAmount: number | null
    readonly startsAt: number
    readonly amount: number
    readonly isOpen: boolean
  }

/** The holds of the requests, their periods locked in the order of B1. */
async function lockHolds(tx: Transaction, requestIds: readonly string[]): Promise<readonly LockedHold[]> {
  const rows = await tx<HoldRow[]>`
    select h.request_id, h.admission, h.budget_id, h.starts_at, h.amount, h.is_open,
           b.scope, b.depth, b.unit, b.period, b.timezone, b.source, b.amount as budget_amount, b.enforcement,
           b.grace_ms, b.overage_multiplier, b.overage_max,
           p.held, p.used, p.surcharge, p.crossed_at
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

type Written = {
  readonly requestIds: readonly string[]
  readonly entries: readonly (Charge & {
    readonly requestId: string
    readonly admission: number
    readonly budgetId: number
  })[]
  readonly lines: readonly object[]
  readonly holds: readonly LockedHold[]
  readonly balances: Readonly<Record<string, Balance>>
  readonly atMs: number
}

async function write(tx: Transaction, written: Written): Promise<void> {
  const { requestIds, entries, lines, holds, balances, atMs } = written
  const touched = new Map(holds.map(({ key, budgetId, startsAtMs }) => [key, { budgetId, startsAtMs }]))
  const periods = [...touched].map(([key, { budgetId, startsAtMs }]) => {
    const { held, used, surcharge, crossedAtMs } = balances[key] ?? {
      held: 0,
      used: 0,
      surcharge: 0,
      crossedAtMs: null,
    }
    const crossedAt = crossedAtMs === null ? null : toTimestamp(crossedAtMs)
    return { budgetId, startsAt: toTimestamp(startsAtMs), held, used, surcharge, crossedAt }
  })
  await tx`
    with lines as (
      insert into cost_line (request_id, attempt, kind, item, units, cost, price_id, at)
      select "requestId", attempt, kind, item, units, "costNanoUsd", "priceId", ${atMs}
      from jsonb_to_recordset(${jsonb(tx, lines)}) as line
        ("requestId" text, attempt integer, kind text, item text, units bigint, "costNanoUsd" bigint,
         "priceId" bigint)
    ), entries as (
      insert into entry (request_id, admission, attempt, kind, budget_id, held, used, surcharge, at)
      select "requestId", admission, attempt, kind, "budgetId", held, used, surcharge, ${atMs}
      from jsonb_to_recordset(${jsonb(tx, entries)}) as entry
        ("requestId" text, admission integer, attempt integer, kind text, "budgetId" bigint, held bigint,
         used bigint, surcharge bigint)
    ), holds as (
      update hold set is_open = false where request_id = any (${requestIds as string[]}) and is_open
    )
    update budget_period p
    set held = b.held, used = b.used, surcharge = b.surcharge, crossed_at = b."crossedAt"
    from jsonb_to_recordset(${jsonb(tx, periods)}) as b
      ("budgetId" bigint, "startsAt" timestamptz, held bigint, used bigint, surcharge bigint,
       "crossedAt" timestamptz)
    where p.budget_id = b."budgetId" and p.starts_at = b."startsAt"`
}
