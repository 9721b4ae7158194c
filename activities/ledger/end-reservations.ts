// Reservations that ended by the limiter's word: what their holders told so far is booked, holds are given back.
//
// N1  What a holder told in its running total is booked when the lease ends; without a word, nothing is.

import { fromDemand } from '../../domain/resource.ts'
import { sumUsd } from '../../domain/money.ts'
import { bookingOf, sumUnits } from '../../domain/settlement.ts'
import type { Decided } from './apply-effect.ts'
import { book } from './book.ts'
import { jsonb, type Transaction } from './database.ts'
import { attemptFromRow, reservedOf, type AttemptRow, type PricedRequest } from './read-attempts.ts'

type ToldRow = AttemptRow & PricedRequest

/** The rows are locked and written already. */
export async function endReservations(tx: Transaction, ended: readonly Decided[]): Promise<void> {
  const ids = ended.map(({ id }) => id)
  const told = await tx<ToldRow[]>`
    select a.request_id, a.attempt, a.generation, a.use, a.consumed, a.cost,
           r.demand, r.estimated_cost, r.created_at
    from attempt a join request r on r.id = a.request_id
    where a.request_id = any (${ids}) and a.use = 'reported'`
  const toBook = []
  for (const { id, admission, endedAt } of ended) {
    const rows = told.filter(({ requestId }) => requestId === id)
    const bookings = []
    for (const row of rows) {
      const attempt = attemptFromRow(row)
      bookings.push(bookingOf(attempt, await reservedOf(tx, row, [attempt])))
    }
    toBook.push({ requestId: id, admission, bookings, atMs: endedAt ?? 0 })
  }
  await book(tx, toBook, Math.max(...toBook.map(({ atMs }) => atMs)))
  const costs = toBook.map(({ requestId, bookings }) => ({
    id: requestId,
    // Without a word its use is not known: for the limiter it stays as much as was reserved.
    actual: bookings.length === 0 ? null : fromDemand(sumUnits(bookings.map(({ units }) => units))),
    cost: sumUsd(bookings.map(({ costNanoUsd }) => costNanoUsd)),
  }))
  await tx`
    update request r set actual = c.actual, actual_cost = c.cost
    from jsonb_to_recordset(${jsonb(tx, costs)}) as c (id text, actual jsonb, cost bigint)
    where r.id = c.id`
}
