// Books what released reservations used, and gives their holds back.
//
// S1  Those that nothing was booked for yet are booked together. One that corrects a booking goes alone, after them:
//     what is free of an allowance depends on what it had been given.
// S2  All periods are locked before any allowance, whichever way they are booked.

import type { Occasion } from '../../domain/price.ts'
import { isFinal, type RequestState } from '../../domain/request.ts'
import { fromDemand } from '../../domain/resource.ts'
import { bookingOf, correctionOf, type Booking } from '../../domain/settlement.ts'
import { bookingsUnder } from './allowances.ts'
import { book } from './book.ts'
import type { Transaction } from './database.ts'
import { lockHolds } from './lock-holds.ts'
import { readUses, type RequestUse } from './read-use.ts'
import type { Release, Released } from './release.ts'
import { jsonb, timestamp } from './statement.ts'

/** A reservation that was granted, locked. */
export type HeldRow = {
  readonly id: string
  readonly state: RequestState
  readonly generation: number
  readonly admission: number
  readonly grantedAt: number | null
  readonly actualCost: number | null
  readonly demand: Readonly<Record<string, number>>
}

type Settling = { readonly given: Release; readonly atMs: number; readonly row: HeldRow }

/** By id. */
export async function settleReleases(
  tx: Transaction,
  all: readonly Settling[],
): Promise<ReadonlyMap<string, Released>> {
  const isLate = ({ row }: Settling) => row.actualCost !== null
  const late = all.filter(isLate)
  if (late.length > 0) await lockHolds(tx, idsOf(all), lastOf(all)) // S2
  const released = new Map(
    await settle(
      tx,
      all.filter((one) => !isLate(one)),
    ),
  )
  for (const one of late) for (const [id, answer] of await settle(tx, [one])) released.set(id, answer)
  return released
}

type Booked = Settling & { readonly use: RequestUse; readonly now: Booking; readonly toBook: Booking }

async function settle(
  tx: Transaction,
  together: readonly Settling[],
): Promise<readonly (readonly [id: string, Released])[]> {
  if (together.length === 0) return []
  const ids = idsOf(together)
  const also = Object.fromEntries(together.map((one) => [one.row.id, Object.keys(consumedOf(one))]))
  const [uses, holds] = await Promise.all([readUses(tx, ids, also), lockHolds(tx, ids, lastOf(together))])
  const taken = new Map<string, number>()
  const booked: Booked[] = []
  for (const one of together) {
    const use = uses.get(one.row.id)
    if (use === undefined) throw new Error(`there is no request ${one.row.id}`)
    const before = one.row.actualCost === null ? null : await bookedBefore(tx, one.row.id, use)
    const now = bookingNow(one, use, before?.occasion ?? use.reserved.occasion, taken)
    booked.push({ ...one, use, now, toBook: before === null ? now : correctionOf(before.booking, now) })
  }
  const toBook = booked.map(({ row, use, toBook }) => {
    const { id: requestId, admission } = row
    return { requestId, admission, bookings: [toBook], allowances: use.allowances }
  })
  // Sent together, and run in this order: lines of costs name their attempt.
  await Promise.all([
    writeAttempts(tx, together),
    book(tx, toBook, holds, lastOf(together)),
    writeEndings(tx, booked),
  ])
  return booked.map(({ row, now: { units: settled, costNanoUsd } }) => {
    const { id, generation } = row
    const late = row.state === 'expired'
    return [id, { kind: 'settled', settled, costNanoUsd, late, replayed: false, generation }]
  })
}

function idsOf(all: readonly Settling[]): readonly string[] {
  return all.map(({ row }) => row.id)
}

function lastOf(all: readonly Settling[]): number {
  return Math.max(...all.map(({ atMs }) => atMs))
}

function consumedOf({ given, row }: Settling): Readonly<Record<string, number>> {
  return given.actual ?? row.demand
}

/** What it used, at what is free after those before it (`taken`). */
function bookingNow(one: Settling, use: RequestUse, occasion: Occasion, taken: Map<string, number>): Booking {
  const { generation } = one.row
  const consumed = consumedOf(one)
  const reported = { kind: 'reported', consumed, costNanoUsd: one.given.costNanoUsd } as const
  const attempts = [{ attempt: 1, generation, use: reported }]
  const [booking] = bookingsUnder({ ...use, attempts, reserved: { ...use.reserved, occasion } }, taken)
  if (booking === undefined) throw new Error(`${one.row.id} has no booking`)
  return booking
}

type Before = { readonly booking: Booking; readonly occasion: Occasion }

/**
 * What was booked when the lease ended with a running total, or for unknown use; and what is free for what replaces
 * it: the rest of the month and what was given to it already.
 */
async function bookedBefore(tx: Transaction, id: string, use: RequestUse): Promise<Before | null> {
  const { attempts, reserved } = use
  const [attempt] = attempts
  if (attempt === undefined) return null
  const rows = await tx<{ item: string; freeUnits: number }[]>`
    select item, free_units from cost_line where request_id = ${id} and attempt = 1 and free_units > 0`
  const given = Object.fromEntries(rows.map(({ item, freeUnits }) => [item, freeUnits]))
  const { atMs, freeUnits: left } = reserved.occasion
  const freeUnits = { ...left }
  for (const [item, units] of Object.entries(given)) freeUnits[item] = (left[item] ?? 0) + units
  const booking = bookingOf(attempt, { ...reserved, occasion: { atMs, freeUnits: given } })
  return { booking, occasion: { atMs, freeUnits } }
}

async function writeAttempts(tx: Transaction, settling: readonly Settling[]): Promise<void> {
  const attempts = settling.map((one) => ({
    id: one.row.id,
    generation: one.row.generation,
    begunAt: timestamp(one.row.grantedAt),
    reportedAt: timestamp(one.atMs),
    consumed: consumedOf(one),
    cost: one.given.costNanoUsd,
  }))
  await tx`
    insert into attempt (request_id, attempt, generation, begun_at, reported_at, use, consumed, cost)
    select id, 1, generation, "begunAt", "reportedAt", 'reported', consumed, cost
    from jsonb_to_recordset(${jsonb(attempts)}) as told
      (id text, generation integer, "begunAt" timestamptz, "reportedAt" timestamptz, consumed jsonb, cost bigint)
    on conflict (request_id, attempt) do update
    set reported_at = excluded.reported_at, use = 'reported', consumed = excluded.consumed, cost = excluded.cost`
}

async function writeEndings(tx: Transaction, booked: readonly Booked[]): Promise<void> {
  const endings = booked.map(({ given, atMs, row, now }) => ({
    id: row.id,
    state: isFinal(row.state) ? row.state : given.outcome === 'failure' ? 'failed' : 'completed',
    at: timestamp(atMs),
    outcome: given.outcome,
    hash: given.contentHash,
    isLate: row.state === 'expired',
    actual: fromDemand(now.units),
    cost: now.costNanoUsd,
    isEvent: !isFinal(row.state),
  }))
  await tx`
    with ending as (
      select * from jsonb_to_recordset(${jsonb(endings)}) as ending
        (id text, state text, at timestamptz, outcome text, hash text, "isLate" boolean, actual jsonb, cost bigint,
         "isEvent" boolean)
    ), ended as (
      update request r
      set state = e.state, ended_at = coalesce(ended_at, e.at), outcome = e.outcome, release_hash = e.hash,
          is_late = e."isLate", actual = e.actual, actual_cost = e.cost
      from ending e
      where r.id = e.id
    )
    insert into event (request_id, state, at)
    select id, state, at from ending where "isEvent" order by at, id`
}
