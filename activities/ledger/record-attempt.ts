// What an attempt used, told once.
//
// R1  The first report of an attempt wins; a repeat changes nothing.
// R2  A report that comes after the request ended with assumed use corrects what was booked.

import type { Use } from '../../domain/report.ts'
import { isFinal, type RequestState } from '../../domain/request.ts'
import { bookingOf, correctionOf, sumUnits } from '../../domain/settlement.ts'
import { fromDemand, toDemand } from '../../domain/resource.ts'
import { book } from './book.ts'
import { jsonb, type Sql, type Transaction } from './database.ts'
import { reservedOf, type PricedRequest } from './read-attempts.ts'

export type Recorded =
  | { readonly kind: 'recorded' }
  | { readonly kind: 'corrected' }
  /** The attempt was reported before, or never began. */
  | { readonly kind: 'ignored' }

type Row = PricedRequest & {
  readonly state: RequestState
  readonly admission: number
  readonly actual: Readonly<Record<string, number>> | null
}

export async function recordAttempt(
  sql: Sql,
  requestId: string,
  attempt: number,
  use: Use,
  atMs: number,
): Promise<Recorded> {
  if (use.kind === 'unknown') return { kind: 'ignored' }
  return await sql.begin(async (tx) => {
    const [row] = await tx<Row[]>`
      select state, admission, demand, estimated_cost, created_at, actual
      from request where id = ${requestId} for no key update`
    if (row === undefined) return { kind: 'ignored' }
    const { count } = await tx`
      update attempt
      set use = ${use.kind}, reported_at = ${atMs},
          consumed = ${use.kind === 'reported' ? jsonb(tx, use.consumed) : null},
          cost = ${use.kind === 'reported' ? use.costNanoUsd : null}
      where request_id = ${requestId} and attempt = ${attempt} and use = 'unknown'`
    if (count === 0) return { kind: 'ignored' }
    if (!isFinal(row.state)) return { kind: 'recorded' }
    await correct(tx, { requestId, attempt, use, row, atMs })
    return { kind: 'corrected' }
  })
}

type Late = {
  readonly requestId: string
  readonly attempt: number
  readonly use: Use
  readonly row: Row
  readonly atMs: number
}

async function correct(tx: Transaction, { requestId, attempt, use, row, atMs }: Late): Promise<void> {
  const reserved = await reservedOf(tx, row, [{ use }])
  const before = bookingOf({ attempt, use: { kind: 'unknown' } }, reserved)
  const correction = correctionOf(before, bookingOf({ attempt, use }, reserved))
  await book(tx, [{ requestId, admission: row.admission, bookings: [correction] }], atMs)
  const actual = fromDemand(sumUnits([toDemand(row.actual ?? {}), correction.units]))
  await tx`
    update request
    set actual_cost = actual_cost + ${correction.costNanoUsd}, actual = ${jsonb(tx, actual)}
    where id = ${requestId}`
}
