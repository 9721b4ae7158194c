// The end of a reservation, told by its holder: what it used is booked, its holds are given back.
//
// R1  Once: the same content again gives the same answer, another content is a conflict.
// R2  Unknown use keeps the holds; it is booked as assumed later (settle-unknown.ts), and corrected by a later release.
// R3  After the lease has ended it is taken once, as late: what was booked then is corrected.

import { nano, type NanoUsd } from '../../domain/money.ts'
import type { Occasion } from '../../domain/price.ts'
import type { ReservationOutcome } from '../../domain/report.ts'
import { isFinal, type RequestKind, type RequestState } from '../../domain/request.ts'
import { fromDemand, toDemand, type Demand } from '../../domain/resource.ts'
import { bookingOf, correctionOf, type Attempt, type Booking } from '../../domain/settlement.ts'
import { book } from './book.ts'
import type { Sql, Transaction } from './database.ts'
import { lockHolds } from './lock-holds.ts'
import { readUse, type RequestUse } from './read-use.ts'
import { jsonb, timestamp } from './statement.ts'

export type Release = {
  readonly reservationId: string
  /** Null: as much as was reserved. A resource that is not listed used nothing. */
  readonly actual: Readonly<Record<string, number>> | null
  /** Null: price times units. */
  readonly costNanoUsd: NanoUsd | null
  readonly outcome: ReservationOutcome
  /** Of the body: tells a repeat from another content. */
  readonly contentHash: string
}

export type Released =
  | {
      readonly kind: 'settled'
      readonly settled: Demand
      readonly costNanoUsd: NanoUsd
      readonly late: boolean
      readonly replayed: boolean
      readonly generation: number
    }
  | { readonly kind: 'held'; readonly generation: number }
  | { readonly kind: 'conflict'; readonly detail: string }
  | { readonly kind: 'not-granted'; readonly state: RequestState }
  | { readonly kind: 'unknown' }
  /** The result of an execution's worker: its workflow settles it. */
  | { readonly kind: 'execution'; readonly state: RequestState; readonly clientId: string }

type Row = {
  readonly demand: Readonly<Record<string, number>>
  readonly kind: RequestKind
  readonly clientId: string
  readonly state: RequestState
  readonly generation: number
  readonly admission: number
  readonly grantedAt: number | null
  readonly releaseHash: string | null
  readonly isLate: boolean
  readonly actual: Readonly<Record<string, number>> | null
  readonly actualCost: number | null
}

export async function release(sql: Sql, given: Release, atMs: number): Promise<Released> {
  return await sql.begin(async (tx) => {
    const [row] = await tx<Row[]>`
      select kind, client_id, state, generation, admission, granted_at, release_hash, is_late, actual, actual_cost,
             demand
      from request where id = ${given.reservationId} and state <> 'refused' for no key update`
    if (row === undefined) return { kind: 'unknown' }
    const { state, generation } = row
    if (row.kind === 'execution') return { kind: 'execution', state, clientId: row.clientId }
    if (row.releaseHash !== null) return repeated(row, given)
    if (row.grantedAt === null) return { kind: 'not-granted', state }
    if (given.outcome === 'unknown') {
      await keepHeld(tx, given, row, atMs)
      return { kind: 'held', generation }
    }
    return await settle(tx, given, row, atMs)
  })
}

function repeated(row: Row, { contentHash }: Release): Released {
  if (row.releaseHash !== contentHash) {
    return { kind: 'conflict', detail: 'the reservation was released before, with another content' }
  }
  return {
    kind: 'settled',
    settled: toDemand(row.actual ?? {}),
    costNanoUsd: nano(row.actualCost ?? 0),
    late: row.isLate,
    replayed: true,
    generation: row.generation,
  }
}

/** R2. What the holder had told so far is no longer the last word. */
async function keepHeld(tx: Transaction, { reservationId }: Release, row: Row, atMs: number): Promise<void> {
  if (row.actualCost !== null) return
  await tx`
    with held as (
      update request set outcome = 'unknown'
      where id = ${reservationId} and outcome is null
      returning id, generation
    )
    insert into attempt (request_id, attempt, generation, begun_at, use)
    select id, 1, generation, ${timestamp(atMs)}, 'unknown' from held
    on conflict (request_id, attempt) do update
    set use = 'unknown', consumed = null, cost = null, reported_at = null, begun_at = excluded.begun_at`
}

async function settle(tx: Transaction, given: Release, row: Row, atMs: number): Promise<Released> {
  const { reservationId, costNanoUsd, outcome, contentHash } = given
  const consumed = given.actual ?? row.demand
  const [use, holds] = await Promise.all([
    readUse(tx, reservationId, Object.keys(consumed)),
    lockHolds(tx, [reservationId]),
  ])
  const attempt: Attempt = {
    attempt: 1,
    generation: row.generation,
    use: { kind: 'reported', consumed, costNanoUsd },
  }
  const before = row.actualCost === null ? null : await bookedBefore(tx, reservationId, use)
  const now = bookingOf(attempt, { ...use.reserved, occasion: before?.occasion ?? use.reserved.occasion })
  await tx`
    insert into attempt (request_id, attempt, generation, begun_at, reported_at, use, consumed, cost)
    values (${reservationId}, 1, ${row.generation}, ${timestamp(row.grantedAt)}, ${timestamp(atMs)}, 'reported',
            ${jsonb(consumed)}, ${costNanoUsd})
    on conflict (request_id, attempt) do update
    set reported_at = excluded.reported_at, use = 'reported', consumed = excluded.consumed, cost = excluded.cost`
  // Booked before where the lease ended with a running total, or where unknown use was assumed.
  const bookings: readonly Booking[] = [before === null ? now : correctionOf(before.booking, now)]
  const { allowances } = use
  await book(tx, [{ requestId: reservationId, admission: row.admission, bookings, allowances }], holds, atMs)

  const late = row.state === 'expired'
  const ending = outcome === 'failure' ? 'failed' : 'completed'
  const state = isFinal(row.state) ? row.state : ending
  await tx`
    with settled as (
      update request
      set state = ${state}, ended_at = coalesce(ended_at, ${timestamp(atMs)}), outcome = ${outcome},
          release_hash = ${contentHash}, is_late = ${late}, actual = ${jsonb(fromDemand(now.units))},
          actual_cost = ${now.costNanoUsd}
      where id = ${reservationId}
      returning id
    )
    insert into event (request_id, state, at)
    select id, ${state}, ${timestamp(atMs)} from settled where ${!isFinal(row.state)}`
  const { units: settled, costNanoUsd: cost } = now
  return { kind: 'settled', settled, costNanoUsd: cost, late, replayed: false, generation: row.generation }
}

type Before = { readonly booking: Booking; readonly occasion: Occasion }

/** What was booked, and what is free for what replaces it: the rest of the month and what was given to it already. */
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
