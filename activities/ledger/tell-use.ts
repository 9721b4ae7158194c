// The events of a booking: the use that it records, and the thresholds of budgets that it reaches.

import { chargedOf, sizeOf } from '../../domain/budget.ts'
import { sliceCountsFrom } from '../../domain/calendar.ts'
import type { Balances } from '../../domain/carve-out.ts'
import type { NamedEvent } from '../../domain/event.ts'
import type { Json } from '../../domain/failure.ts'
import { formatUsd, sumUsd } from '../../domain/money.ts'
import { amountOf } from '../../domain/refusals.ts'
import { fromDemand } from '../../domain/resource.ts'
import { sumUnits, type Booking } from '../../domain/settlement.ts'
import { THRESHOLDS_DEFAULT, thresholdsReached, withTold } from '../../domain/threshold.ts'
import type { LockedHold } from './lock-holds.ts'
import { timestamp } from './statement.ts'

type EventRow = {
  readonly name: NamedEvent
  readonly requestId: string | null
  readonly scope: string | null
  readonly detail: Json
}

type Used = { readonly requestId: string; readonly bookings: readonly Booking[] }

/** What was booked of a request, corrections included; nothing where nothing was. */
export function useRecorded({ requestId, bookings }: Used): readonly EventRow[] {
  const units = sumUnits(bookings.map((booking) => booking.units))
  const costUsd = formatUsd(sumUsd(bookings.map(({ costNanoUsd }) => costNanoUsd)))
  if (units.length === 0 && costUsd === '0') return []
  const kinds = [...new Set(bookings.map(({ kind }) => kind))]
  return [
    {
      name: 'usage.recorded',
      requestId,
      scope: null,
      detail: { resources: fromDemand(units), costUsd, kinds },
    },
  ]
}

/** The highest threshold of a period that is told now, and when the first one was. */
export type Told = {
  readonly key: string
  readonly percent: number
  readonly sinceMs: number
  readonly events: readonly EventRow[]
}

/** What the periods of the holds have reached and was not told yet; their rows are locked. */
export function thresholdsTold(
  holds: readonly LockedHold[],
  balances: Balances,
  atMs: number,
): readonly Told[] {
  const periods = new Map(holds.map((hold) => [hold.key, hold]))
  return [...periods.values()].flatMap(({ key, budget, credit, startsAtMs, balance: before }) => {
    if (credit !== null) return []
    const balance = withTold(budget, balances[key] ?? before, atMs)
    const amount = sizeOf(budget, balance)
    const reached = thresholdsReached(budget.thresholds ?? THRESHOLDS_DEFAULT, amount, balance)
    const highest = reached.at(-1)
    if (highest === undefined) return []
    const { scope, unit, period, windowMs, enforcement } = budget
    const base = { unit, period, amount: amountOf(unit, amount), enforcement }
    const told = windowMs === undefined ? base : { ...base, windowMs }
    const used = amountOf(unit, chargedOf(balance))
    const periodStart = timestamp(windowMs === undefined ? startsAtMs : sliceCountsFrom(windowMs, atMs))
    const events = reached.map((percent): EventRow => ({
      name: 'budget.threshold_reached',
      requestId: null,
      scope,
      detail: { scope, budget: told, percent, used, periodStart },
    }))
    return [{ key, percent: highest, sinceMs: balance.toldAtMs ?? atMs, events }]
  })
}
