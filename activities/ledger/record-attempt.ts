// What an attempt used, told once.
//
// R1  The first report of an attempt wins; a repeat changes nothing.
// R2  A report that comes after the request ended with assumed use corrects what was booked.

import type { Use } from '../../domain/report.ts'
import { bookingOf, correctionOf, sumUnits } from '../../domain/settlement.ts'
import { fromDemand, toDemand } from '../../domain/resource.ts'
import { book } from './book.ts'
import type { Queries, Sql, Transaction } from './database.ts'
import { lockHolds } from './lock-holds.ts'
import { readUse } from './read-use.ts'
import { jsonb, timestamp, type Fragment } from './statement.ts'

export type Recorded =
  | { readonly kind: 'recorded' }
  | { readonly kind: 'corrected' }
  /** The attempt was reported before, or never began. */
  | { readonly kind: 'ignored' }

/** One statement while the request is open. */
export async function recordAttempt(
  sql: Sql,
  requestId: string,
  attempt: number,
  use: Use,
  atMs: number,
): Promise<Recorded> {
  if (use.kind === 'unknown') return { kind: 'ignored' }
  const report = { requestId, attempt, use, atMs }
  if (await store(sql, report, sql`ended_at is null`)) return { kind: 'recorded' }
  return await sql.begin(async (tx) => {
    if (!(await store(tx, report, tx`ended_at is not null`))) return { kind: 'ignored' }
    await correct(tx, report)
    return { kind: 'corrected' }
  })
}

type Report = {
  readonly requestId: string
  readonly attempt: number
  readonly use: Exclude<Use, { kind: 'unknown' }>
  readonly atMs: number
}

/** False where the attempt is not open to a report, or its request not as it is expected. Locks the request. */
async function store(
  sql: Queries,
  { requestId, attempt, use, atMs }: Report,
  expected: Fragment,
): Promise<boolean> {
  const { count } = await sql`
    update attempt
    set use = ${use.kind}, reported_at = ${timestamp(atMs)},
        consumed = ${use.kind === 'reported' ? jsonb(use.consumed) : null},
        cost = ${use.kind === 'reported' ? use.costNanoUsd : null}
    from (select id from request where id = ${requestId} and ${expected} for no key update) as request
    where request_id = request.id and attempt = ${attempt} and use = 'unknown'`
  return count > 0
}

type Row = { readonly admission: number; readonly actual: Readonly<Record<string, number>> | null }

async function correct(tx: Transaction, { requestId, attempt, use, atMs }: Report): Promise<void> {
  const [[row], { reserved, allowances }, holds] = await Promise.all([
    tx<[Row]>`select admission, actual from request where id = ${requestId}`,
    readUse(tx, requestId),
    lockHolds(tx, [requestId], atMs),
  ])
  const before = bookingOf({ attempt, use: { kind: 'unknown' } }, reserved)
  const correction = correctionOf(before, bookingOf({ attempt, use }, reserved))
  const actual = fromDemand(sumUnits([toDemand(row.actual ?? {}), correction.units]))
  await Promise.all([
    book(tx, [{ requestId, admission: row.admission, bookings: [correction], allowances }], holds, atMs),
    tx`
      update request
      set actual_cost = actual_cost + ${correction.costNanoUsd}, actual = ${jsonb(actual)}
      where id = ${requestId}`,
  ])
}
