// Books what requests used, and gives their holds back: the one place that changes balances after admission.
//
// K1  One statement writes cost lines, usage, entries, holds and balances together; allowances go with them, in the transaction.
// K2  Each entry and line exists once per request, attempt and kind: booking twice fails instead of counting twice.

import type { Balances } from '../../domain/carve-out.ts'
import { chargeInTurn, type Booking, type Charge } from '../../domain/settlement.ts'
import type { Transaction } from './database.ts'
import { takeFromAllowances } from './allowances.ts'
import type { LockedHold } from './lock-holds.ts'
import type { RequestUse } from './read-use.ts'
import { slicesOf } from './slices.ts'
import { jsonb, timestamp } from './statement.ts'
import { insertUsage } from './usage.ts'
import { periodKey, type PeriodOfBudget } from './rows.ts'
import { thresholdsTold, useRecorded, type Told } from './tell-use.ts'

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
  const requests = toBook.map(({ requestId, admission, bookings }) => ({
    holds: holds.filter((hold) => hold.requestId === requestId && hold.admission === admission),
    bookings,
  }))
  const before = Object.fromEntries(holds.map(({ key, balance }) => [key, balance]))
  const above = Object.fromEntries(holds.map((hold) => [hold.key, hold.above.map(keyOf)]))
  const { charges, balances } = chargeInTurn({ requests, balances: before, above, atMs })
  const charged = charges.flat()
  const entries = charged.map(({ hold, charge }) => {
    const { requestId, admission, budgetId } = hold
    return { requestId, admission, budgetId, ...charge }
  })
  const lines = toBook.flatMap(({ requestId, bookings }) =>
    bookings.flatMap(({ attempt, kind, lines }) =>
      lines.map((line) => ({ requestId, attempt, kind, ...line })),
    ),
  )
  if (entries.length === 0 && lines.length === 0 && holds.every(({ isOpen }) => !isOpen)) return

  for (const { allowances, bookings } of toBook) await takeFromAllowances(tx, allowances, bookings)
  const requestIds = toBook.map(({ requestId }) => requestId)
  const told = thresholdsTold(holds, balances, atMs)
  const periods = periodsOf(touched(holds), { charged, balances, told })
  const events = [...toBook.flatMap(useRecorded), ...told.flatMap(({ events }) => events)]
  const slices = slicesOf(charged)
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
    ), slices as (
      insert into budget_slice (budget_id, starts_at, used)
      select "budgetId", "startsAt", used
      from jsonb_to_recordset(${jsonb(slices)}) as slice ("budgetId" bigint, "startsAt" timestamptz, used bigint)
      on conflict (budget_id, starts_at) do update set used = budget_slice.used + excluded.used
    ), events as (
      insert into event (name, request_id, scope, at, detail)
      select name, "requestId", scope, ${timestamp(atMs)}, detail
      from jsonb_to_recordset(${jsonb(events)}) as event (name text, "requestId" text, scope text, detail jsonb)
    )
    update budget_period p
    set held = b.held, used = p.used + b.used, surcharge = p.surcharge + b.surcharge, crossed_at = b."crossedAt",
        told_percent = b."toldPercent", told_at = b."toldAt"
    from jsonb_to_recordset(${jsonb(periods)}) as b
      ("budgetId" bigint, "startsAt" timestamptz, held bigint, used bigint, surcharge bigint,
       "crossedAt" timestamptz, "toldPercent" integer, "toldAt" timestamptz)
    where p.budget_id = b."budgetId" and p.starts_at = b."startsAt"`
}

function keyOf({ budgetId, startsAtMs }: PeriodOfBudget): string {
  return periodKey(budgetId, startsAtMs)
}

/** Each period that is touched, once. */
function touched(holds: readonly LockedHold[]): readonly LockedHold[] {
  return [...new Map(holds.map((hold) => [hold.key, hold])).values()]
}

type Booked = {
  readonly charged: readonly { readonly charge: Charge }[]
  readonly balances: Balances
  readonly told: readonly Told[]
}

/** What is written of them: what they hold now, and what is used more; of a rolling budget what counts is no sum. */
function periodsOf(periods: readonly LockedHold[], { charged, balances, told }: Booked) {
  const charges = Map.groupBy(charged, ({ charge }) => charge.key)
  return periods.map(({ key, budgetId, startsAtMs, balance }) => {
    const { held, crossedAtMs, toldPercent, toldAtMs } = balances[key] ?? balance
    const { percent, sinceMs } = told.find((one) => one.key === key) ?? {
      percent: toldPercent,
      sinceMs: toldAtMs,
    }
    const own = (charges.get(key) ?? []).map(({ charge }) => charge)
    return {
      budgetId,
      startsAt: timestamp(startsAtMs),
      held,
      used: own.reduce((sum, { used }) => sum + used, 0),
      surcharge: own.reduce((sum, { surcharge }) => sum + surcharge, 0),
      crossedAt: timestamp(crossedAtMs),
      toldPercent: percent,
      toldAt: timestamp(sinceMs),
    }
  })
}
