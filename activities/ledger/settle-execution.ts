// The end of an execution: what its attempts used is booked, its holds are given back.
//
// E1  The first ending wins; a repeat answers what it stored.
// E2  The use of every attempt is booked, whatever the ending; unknown use at the worst case, as assumed.
// E3  Ended before any attempt, it used nothing and costs nothing.
// E4  Those that come together are one transaction; their rows are locked in the order of their ids.

import type { AttemptUse, Ending } from '../../domain/report.ts'
import { fromDemand, toDemand, type Demand } from '../../domain/resource.ts'
import { isFinal, type FinalState, type RequestState } from '../../domain/request.ts'
import { nano, sumUsd, type NanoUsd } from '../../domain/money.ts'
import { sumUnits, type Attempt } from '../../domain/settlement.ts'
import { bookingsUnder } from './allowances.ts'
import { book } from './book.ts'
import { Coalescer, perPool } from './coalescer.ts'
import type { Sql, Transaction } from './database.ts'
import { lockHolds } from './lock-holds.ts'
import { readUses } from './read-use.ts'
import { recordAttempt } from './record-attempt.ts'
import { jsonb, timestamp } from './statement.ts'

export type Settlement = {
  readonly state: FinalState
  /** Use of the current generation's attempts, for the limiter; what was reserved where it is unknown. */
  readonly actual: Demand
  readonly costNanoUsd: NanoUsd
  readonly generation: number
  /** Whether the current generation was granted. */
  readonly wasGranted: boolean
  readonly alreadyEnded: boolean
}

/** An ending, with what its last attempt used where that was not recorded yet. */
export type Ended = {
  readonly requestId: string
  readonly ending: Ending
  readonly attempt: AttemptUse | null
}

const BATCH_MAX = 100
/** While one commits, the next one is read. */
const BATCHES_IN_FLIGHT_MAX = 2

export async function settleExecution(
  sql: Sql,
  requestId: string,
  ending: Ending,
  atMs: number,
): Promise<Settlement> {
  return await settleEnded(sql, { requestId, ending, attempt: null }, atMs)
}

/** The same with the last attempt, recorded in the same transaction. */
export async function settleEnded(sql: Sql, ended: Ended, atMs: number): Promise<Settlement> {
  const settlement = await endingsAt(sql).submit({ ...ended, atMs })
  const { requestId, attempt } = ended
  if (!settlement.alreadyEnded || attempt === null) return settlement
  const recorded = await recordAttempt(sql, requestId, attempt.attempt, attempt.use, atMs)
  return recorded.kind === 'corrected' ? await endingsAt(sql).submit({ ...ended, atMs }) : settlement
}

type Told = Ended & { readonly atMs: number }

const endingsAt = perPool(
  (sql) =>
    new Coalescer<Told, Settlement>({
      run: (told) => sql.begin((tx) => settleTogether(tx, told)),
      keyOf: ({ requestId }) => requestId,
      batchMax: BATCH_MAX,
      inFlightMax: BATCHES_IN_FLIGHT_MAX,
    }),
)

type Row = {
  readonly id: string
  readonly demand: Readonly<Record<string, number>>
  readonly state: RequestState
  readonly generation: number
  readonly admission: number
  readonly grantedAt: number | null
  readonly actualCost: number | null
}

/** In the order of what was told, each of another request (E4). */
async function settleTogether(tx: Transaction, told: readonly Told[]): Promise<readonly Settlement[]> {
  const ids = told.map(({ requestId }) => requestId)
  const lastMs = Math.max(...told.map(({ atMs }) => atMs))
  const rows = new Map((await lock(tx, ids)).map((row) => [row.id, row]))
  const found = told.map((one) => {
    const row = rows.get(one.requestId)
    if (row === undefined) throw new Error(`there is no execution ${one.requestId}`)
    return { ...one, row }
  })
  const open = found.filter(({ row }) => !isFinal(row.state))
  // Sent together, and run in this order: what was reported is read.
  const [, uses, holds] = await Promise.all([
    writeAttempts(tx, open),
    readUses(tx, ids),
    lockHolds(
      tx,
      open.map(({ requestId }) => requestId),
      lastMs,
    ),
  ])
  const given = new Map<string, number>()
  const settled = open.map((one) => {
    const { requestId, row } = one
    const use = uses.get(requestId)
    const bookings = use === undefined ? [] : bookingsUnder(use, given)
    return {
      ...one,
      toBook: { requestId, admission: row.admission, bookings, allowances: use?.allowances ?? {} },
      costNanoUsd: sumUsd(bookings.map(({ costNanoUsd }) => costNanoUsd)),
      actual: sumUnits(bookings.map(({ units }) => units)),
    }
  })
  const toBook = settled.map((one) => one.toBook)
  if (open.length > 0) await Promise.all([book(tx, toBook, holds, lastMs), writeEndings(tx, settled)])
  const costs = new Map(settled.map(({ requestId, costNanoUsd }) => [requestId, costNanoUsd]))
  return found.map(({ requestId, ending, row }) => {
    const settlement = {
      actual: usedUnder(uses.get(requestId)?.attempts ?? [], row),
      generation: row.generation,
      wasGranted: row.grantedAt !== null,
    }
    const costNanoUsd = costs.get(requestId)
    if (costNanoUsd !== undefined) {
      return { ...settlement, state: ending.kind, costNanoUsd, alreadyEnded: false }
    }
    if (!isFinal(row.state)) throw new Error(`${requestId} was not settled`)
    return { ...settlement, state: row.state, costNanoUsd: nano(row.actualCost ?? 0), alreadyEnded: true }
  })
}

async function lock(tx: Transaction, ids: readonly string[]): Promise<readonly Row[]> {
  return await tx<Row[]>`
    select id, state, generation, admission, granted_at, actual_cost, demand
    from request where id = any (${ids as string[]}) and kind = 'execution'
    order by id
    for no key update`
}

/** What the attempts under the current grant used; as much as was reserved where one is unknown. */
export function usedUnder(
  attempts: readonly Attempt[],
  { generation, demand }: Pick<Row, 'generation' | 'demand'>,
): Demand {
  const used = attempts
    .filter((attempt) => attempt.generation === generation)
    .map(({ use }): Demand => {
      if (use.kind === 'unknown') return toDemand(demand)
      return use.kind === 'reported' ? toDemand(use.consumed) : []
    })
  return sumUnits(used)
}

/** The first report of an attempt wins (R1 of record-attempt.ts). */
async function writeAttempts(tx: Transaction, told: readonly Told[]): Promise<void> {
  const reports = told.flatMap(({ requestId, attempt, atMs }) => {
    if (attempt === null || attempt.use.kind === 'unknown') return []
    const { kind } = attempt.use
    const [consumed, cost] =
      attempt.use.kind === 'reported' ? [attempt.use.consumed, attempt.use.costNanoUsd] : [null, null]
    return [{ requestId, attempt: attempt.attempt, use: kind, at: timestamp(atMs), consumed, cost }]
  })
  if (reports.length === 0) return
  await tx`
    update attempt a
    set use = r.use, reported_at = r.at, consumed = nullif(r.consumed, 'null'), cost = r.cost
    from jsonb_to_recordset(${jsonb(reports)}) as r
      ("requestId" text, attempt integer, use text, at timestamptz, consumed jsonb, cost bigint)
    where a.request_id = r."requestId" and a.attempt = r.attempt and a.use = 'unknown'`
}

type Written = Told & { readonly actual: Demand; readonly costNanoUsd: NanoUsd }

async function writeEndings(tx: Transaction, written: readonly Written[]): Promise<void> {
  const endings = written.map(({ requestId, ending, actual, costNanoUsd, atMs }) => ({
    id: requestId,
    state: ending.kind,
    at: timestamp(atMs),
    output: ending.kind === 'completed' ? ending.output : null,
    isPartial: ending.kind === 'completed' && ending.partial,
    error: ending.kind === 'failed' || ending.kind === 'expired' ? ending.error : null,
    actual: fromDemand(actual),
    cost: costNanoUsd,
  }))
  await tx`
    with ending as (
      select * from jsonb_to_recordset(${jsonb(endings)}) as ending
        (id text, state text, at timestamptz, output jsonb, "isPartial" boolean, error jsonb, actual jsonb, cost bigint)
    ), ended as (
      update request r
      set state = e.state, ended_at = e.at, output = nullif(e.output, 'null'), is_partial = e."isPartial",
          error = nullif(e.error, 'null'), actual = e.actual, actual_cost = e.cost, position = null, eta = null
      from ending e
      where r.id = e.id
    )
    insert into event (request_id, state, at, detail)
    select id, state, at, nullif(error, 'null') from ending order by at, id`
}
