// Reservations that ended by the limiter's word: what their holders told so far is booked, holds are given back.
//
// N1  What a holder told in its running total is booked when the lease ends; without a word, nothing is, and for the
//     limiter its use stays as much as was reserved.

import { fromDemand } from '../../domain/resource.ts'
import { sumUsd } from '../../domain/money.ts'
import { sumUnits } from '../../domain/settlement.ts'
import { bookingsUnder } from './allowances.ts'
import type { Decided } from './apply-effect.ts'
import { book } from './book.ts'
import type { Transaction } from './database.ts'
import { lockHolds } from './lock-holds.ts'
import { readUses } from './read-use.ts'
import { jsonb } from './statement.ts'

/** The rows are locked and written already. */
export async function endReservations(tx: Transaction, ended: readonly Decided[]): Promise<void> {
  const atMs = Math.max(...ended.map(({ endedAt }) => endedAt ?? 0))
  const ids = ended.map(({ id }) => id)
  const [uses, holds] = await Promise.all([readUses(tx, ids), lockHolds(tx, ids, atMs)])
  const given = new Map<string, number>()
  const toBook = ended.map(({ id, admission }) => {
    const use = uses.get(id)
    const bookings = use === undefined ? [] : bookingsUnder(use, given)
    return { requestId: id, admission, bookings, allowances: use?.allowances ?? {} }
  })
  const costs = toBook.map(({ requestId, bookings }) => ({
    id: requestId,
    actual: bookings.length === 0 ? null : fromDemand(sumUnits(bookings.map(({ units }) => units))),
    cost: sumUsd(bookings.map(({ costNanoUsd }) => costNanoUsd)),
  }))
  await Promise.all([
    book(tx, toBook, holds, atMs),
    tx`
      update request r set actual = c.actual, actual_cost = c.cost
      from jsonb_to_recordset(${jsonb(costs)}) as c (id text, actual jsonb, cost bigint)
      where r.id = c.id`,
  ])
}
