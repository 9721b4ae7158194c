// Books what requests used, and gives their holds back: the one place that changes balances after admission.
//
// K1  One statement writes cost lines, usage, entries, holds and balances together; allowances go with them, in the transaction.
// K2  Each entry and line exists once per request, attempt and kind: booking twice fails instead of counting twice.

import type { Balance } from '../../domain/budget.ts'
import { charge, charged, type Booking } from '../../domain/settlement.ts'
import type { Transaction } from './database.ts'
import { takeFromAllowances } from './allowances.ts'
import type { LockedHold } from './lock-holds.ts'
import type { RequestUse } from './read-use.ts'
import { jsonb, timestamp } from './statement.ts'
import { insertUsage } from './usage.ts'

export type ToBook = {
  readonly requestId: string
  readonly admission: number
  readonly bookings: readonly Booking[]
  readonly allowances: RequestUse['allowances']
}

/** `holds` are those of all the requests in `toBook`, locked. */
export async function book(
  tx: Transaction,
  toBook: readonly ToBook[],
  holds: readonly LockedHold[],
  atMs: number,
): Promise<void> {
  const balances: Record<string, Balance> = {}
  for (const { key, balance } of holds) balances[key] = balance
  const entries = []
  for (const { requestId, admission, bookings } of toBook) {
    const own = holds.filter((hold) => hold.requestId === requestId && hold.admission === admission)
    for (const one of charge(own, bookings, balances)) {
      const hold = own.find(({ key }) => key === one.key)
      const before = balances[one.key]
      if (hold === undefined || before === undefined) throw new Error(`no hold of ${one.key}`)
      balances[one.key] = charged(before, one, hold.budget.amount, atMs)
      entries.push({ requestId, admission, budgetId: hold.budgetId, ...one })
    }
  }
  const lines = toBook.flatMap(({ requestId, bookings }) =>
    bookings.flatMap(({ attempt, kind, lines }) =>
      lines.map((line) => ({ requestId, attempt, kind, ...line })),
    ),
  )
  if (entries.length === 0 && lines.length === 0 && holds.every(({ isOpen }) => !isOpen)) return

  for (const { allowances, bookings } of toBook) await takeFromAllowances(tx, allowances, bookings)
  const requestIds = toBook.map(({ requestId }) => requestId)
  const periods = periodsOf(holds, balances)
  await tx`
    with lines as (
      insert into cost_line (request_id, attempt, kind, item, units, free_units, per_unit_usd, cost, price_id, at)
      select "requestId", attempt, kind, item, units, "freeUnits", "perUnitUsd", "costNanoUsd", "priceId",
             ${timestamp(atMs)}
      from jsonb_to_recordset(${jsonb(lines)}) as line
        ("requestId" text, attempt integer, kind text, item text, units bigint, "freeUnits" bigint,
         "perUnitUsd" numeric, "costNanoUsd" bigint, "priceId" bigint)
    ), entries as (
      insert into entry (request_id, admission, attempt, kind, budget_id, held, used, surcharge, at)
      select "requestId", admission, attempt, kind, "budgetId", held, used, surcharge, ${timestamp(atMs)}
      from jsonb_to_recordset(${jsonb(entries)}) as entry
        ("requestId" text, admission integer, attempt integer, kind text, "budgetId" bigint, held bigint,
         used bigint, surcharge bigint)
    ), usage as (${insertUsage(tx, toBook, atMs)}
    ), holds as (
      update hold set is_open = false where request_id = any (${requestIds}) and is_open
    )
    update budget_period p
    set held = b.held, used = b.used, surcharge = b.surcharge, crossed_at = b."crossedAt"
    from jsonb_to_recordset(${jsonb(periods)}) as b
      ("budgetId" bigint, "startsAt" timestamptz, held bigint, used bigint, surcharge bigint,
       "crossedAt" timestamptz)
    where p.budget_id = b."budgetId" and p.starts_at = b."startsAt"`
}

/** Each period that is touched, once. */
function periodsOf(holds: readonly LockedHold[], balances: Readonly<Record<string, Balance>>) {
  const touched = new Map(holds.map((hold) => [hold.key, hold]))
  return [...touched.values()].map(({ key, budgetId, startsAtMs, balance }) => {
    const { held, used, surcharge, crossedAtMs } = balances[key] ?? balance
    const crossedAt = crossedAtMs === null ? null : timestamp(crossedAtMs)
    return { budgetId, startsAt: timestamp(startsAtMs), held, used, surcharge, crossedAt }
  })
}
