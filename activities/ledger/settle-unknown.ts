// Reservations whose holder said that it does not know what it used, and never came back.
//
// U1  After a day the reserved amount is booked as assumed, and the holds are given back.

import { fromDemand } from '../../domain/resource.ts'
import { isFinal, type RequestState } from '../../domain/request.ts'
import { bookingOf } from '../../domain/settlement.ts'
import { book } from './book.ts'
import type { Sql, Transaction } from './database.ts'
import { lockHolds } from './lock-holds.ts'
import { readUse } from './read-use.ts'
import { jsonb, timestamp } from './statement.ts'

export const UNKNOWN_KEPT_MS = 86_400_000
const BATCH_MAX = 500

/** The ids of those that were booked, at most a batch of them. */
export async function settleUnknown(sql: Sql, atMs: number): Promise<readonly string[]> {
  const due = await sql<{ id: string }[]>`
    select r.id
    from request r join attempt a on a.request_id = r.id
    where r.kind = 'reservation' and r.outcome = 'unknown' and r.actual_cost is null
      and a.use = 'unknown' and a.begun_at <= ${timestamp(atMs - UNKNOWN_KEPT_MS)}
    order by r.id
    limit ${BATCH_MAX}`
  const settled: string[] = []
  for (const { id } of due) if (await sql.begin((tx) => assume(tx, id, atMs))) settled.push(id)
  return settled
}

type Row = { readonly state: RequestState; readonly admission: number }

/** False where it was released in the meantime. */
async function assume(tx: Transaction, id: string, atMs: number): Promise<boolean> {
  const [row] = await tx<Row[]>`
    select state, admission
    from request where id = ${id} and outcome = 'unknown' and actual_cost is null for no key update`
  if (row === undefined) return false
  const [{ reserved, allowances }, holds] = await Promise.all([readUse(tx, id), lockHolds(tx, [id], atMs)])
  const booking = bookingOf({ attempt: 1, use: { kind: 'unknown' } }, reserved)
  await book(tx, [{ requestId: id, admission: row.admission, bookings: [booking], allowances }], holds, atMs)
  const state = isFinal(row.state) ? row.state : 'completed'
  await tx`
    with settled as (
      update request
      set state = ${state}, ended_at = coalesce(ended_at, ${timestamp(atMs)}),
          actual = ${jsonb(fromDemand(booking.units))}, actual_cost = ${booking.costNanoUsd}
      where id = ${id}
      returning id
    )
    insert into event (request_id, state, at)
    select id, ${state}, ${timestamp(atMs)} from settled where ${!isFinal(row.state)}`
  return true
}
