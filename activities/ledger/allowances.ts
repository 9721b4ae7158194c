// The monthly allowances of prices: what is left of what is free, for all requests together.
//
// F1  A row is locked after requests and periods, in the order (resource, client, month): nobody waits in a circle.
// F2  A month is that of the moment at which the request is priced, so that a late report meets the same one.
// F3  Requests booked in one transaction share what is left: the earlier one goes first.

import { periodStart } from '../../domain/calendar.ts'
import type { Price } from '../../domain/price.ts'
import { bookingsOf, type Booking } from '../../domain/settlement.ts'
import type { Transaction } from './database.ts'
import type { RequestUse } from './read-use.ts'
import { jsonb, timestamp } from './statement.ts'

export type Allowance = {
  readonly resourceId: string
  /** Empty: of the price of all clients. */
  readonly clientId: string
  readonly startsAtMs: number
  readonly freePerMonth: number
}

/** Of the prices that give something away, by resource. */
export function allowancesOf(
  prices: Readonly<Record<string, Price>>,
  atMs: number,
): Record<string, Allowance> {
  const allowances: Record<string, Allowance> = {}
  for (const { resourceId, clientId, freePerMonth, timezone } of Object.values(prices)) {
    if (freePerMonth === 0) continue
    const startsAtMs = periodStart({ period: 'month', timezone }, atMs)
    allowances[resourceId] = { resourceId, clientId: clientId ?? '', startsAtMs, freePerMonth }
  }
  return allowances
}

/** Units left by `keyOf`, locked until the transaction ends (F1). */
export async function lockAllowances(
  tx: Transaction,
  allowances: readonly Allowance[],
): Promise<ReadonlyMap<string, number>> {
  if (allowances.length === 0) return new Map()
  const wanted = jsonb(
    allowances.map(({ startsAtMs, ...one }) => ({ ...one, startsAt: timestamp(startsAtMs) })),
  )
  await tx`
    insert into allowance (resource_id, client_id, starts_at)
    select distinct "resourceId", "clientId", "startsAt"
    from jsonb_to_recordset(${wanted}) as wanted ("resourceId" text, "clientId" text, "startsAt" timestamptz)
    order by 1, 2, 3
    on conflict do nothing`
  const rows = await tx<(Omit<Allowance, 'startsAtMs' | 'freePerMonth'> & Given)[]>`
    select resource_id, client_id, starts_at, free_units
    from allowance
    where (resource_id, client_id, starts_at) in (
      select "resourceId", "clientId", "startsAt"
      from jsonb_to_recordset(${wanted}) as wanted ("resourceId" text, "clientId" text, "startsAt" timestamptz))
    order by resource_id, client_id, starts_at
    for no key update`
  const given = new Map(
    rows.map(({ startsAt, ...row }) => [keyOf({ ...row, startsAtMs: startsAt }), row.freeUnits]),
  )
  return new Map(
    allowances.map((one) => [keyOf(one), Math.max(0, one.freePerMonth - (given.get(keyOf(one)) ?? 0))]),
  )
}

type Given = { readonly startsAt: number; readonly freeUnits: number }

/** The bookings of a request's attempts; `given` counts what earlier ones of the transaction took (F3). */
export function bookingsUnder(
  { attempts, reserved, allowances }: RequestUse,
  given: Map<string, number>,
): readonly Booking[] {
  const freeUnits = { ...reserved.occasion.freeUnits }
  for (const one of Object.values(allowances)) {
    freeUnits[one.resourceId] = (freeUnits[one.resourceId] ?? 0) - (given.get(keyOf(one)) ?? 0)
  }
  const occasion = { ...reserved.occasion, freeUnits }
  const bookings = bookingsOf(attempts, { ...reserved, occasion })
  for (const { item, freeUnits } of bookings.flatMap(({ lines }) => lines)) {
    const one = allowances[item]
    if (one !== undefined) given.set(keyOf(one), (given.get(keyOf(one)) ?? 0) + freeUnits)
  }
  return bookings
}

/** Writes down what bookings took from locked allowances, or gave back to them. */
export async function takeFromAllowances(
  tx: Transaction,
  allowances: Readonly<Record<string, Allowance>>,
  bookings: readonly Booking[],
): Promise<void> {
  for (const { resourceId, clientId, startsAtMs } of Object.values(allowances)) {
    const lines = bookings.flatMap(({ lines }) => lines).filter(({ item }) => item === resourceId)
    const taken = lines.reduce((sum, { freeUnits }) => sum + freeUnits, 0)
    if (taken === 0) continue
    await tx`
      update allowance set free_units = free_units + ${taken}
      where resource_id = ${resourceId} and client_id = ${clientId} and starts_at = ${timestamp(startsAtMs)}`
  }
}

export function keyOf({ resourceId, clientId, startsAtMs }: Omit<Allowance, 'freePerMonth'>): string {
  return `${resourceId} ${clientId} ${startsAtMs}`
}
