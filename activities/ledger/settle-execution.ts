// The end of an execution: what its attempts used is booked, its holds are given back.
//
// E1  The first ending wins; a repeat answers what it stored.
// E2  The use of every attempt is booked, whatever the ending; unknown use at the worst case, as assumed.
// E3  Ended before any attempt, it used nothing and costs nothing.

import type { Ending } from '../../domain/report.ts'
import { fromDemand, toDemand, type Demand } from '../../domain/resource.ts'
import { isFinal, type FinalState, type RequestState } from '../../domain/request.ts'
import { nano, sumUsd, type NanoUsd } from '../../domain/money.ts'
import { sumUnits, type Attempt } from '../../domain/settlement.ts'
import { bookingsUnder } from './allowances.ts'
import { book } from './book.ts'
import type { Sql, Transaction } from './database.ts'
import { lockHolds } from './lock-holds.ts'
import { readUse } from './read-use.ts'
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

type Row = {
  readonly demand: Readonly<Record<string, number>>
  readonly state: RequestState
  readonly generation: number
  readonly admission: number
  readonly grantedAt: number | null
  readonly actualCost: number | null
}

export async function settleExecution(
  sql: Sql,
  requestId: string,
  ending: Ending,
  atMs: number,
): Promise<Settlement> {
  return await sql.begin(async (tx) => {
    const [row] = await tx<Row[]>`
      select state, generation, admission, granted_at, actual_cost, demand
      from request where id = ${requestId} and kind = 'execution' for no key update`
    if (row === undefined) throw new Error(`there is no execution ${requestId}`)
    const [use, holds] = await Promise.all([readUse(tx, requestId), lockHolds(tx, [requestId], atMs)])
    const settlement = {
      actual: usedUnder(use.attempts, row),
      generation: row.generation,
      wasGranted: row.grantedAt !== null,
    }
    if (isFinal(row.state)) {
      const costNanoUsd = nano(row.actualCost ?? 0)
      return { ...settlement, state: row.state, costNanoUsd, alreadyEnded: true }
    }
    const bookings = bookingsUnder(use, new Map())
    const costNanoUsd = sumUsd(bookings.map((one) => one.costNanoUsd))
    const actual = sumUnits(bookings.map(({ units }) => units))
    await Promise.all([
      book(tx, [{ requestId, admission: row.admission, bookings, allowances: use.allowances }], holds, atMs),
      writeEnding(tx, { requestId, ending, actual, costNanoUsd, atMs }),
    ])
    return { ...settlement, state: ending.kind, costNanoUsd, alreadyEnded: false }
  })
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

type Written = {
  readonly requestId: string
  readonly ending: Ending
  readonly actual: Demand
  readonly costNanoUsd: NanoUsd
  readonly atMs: number
}

async function writeEnding(tx: Transaction, written: Written): Promise<void> {
  const { requestId, ending, actual, costNanoUsd, atMs } = written
  const output = ending.kind === 'completed' ? ending.output : null
  const isPartial = ending.kind === 'completed' && ending.partial
  const error = ending.kind === 'failed' || ending.kind === 'expired' ? ending.error : null
  await tx`
    with ended as (
      update request
      set state = ${ending.kind}, ended_at = ${timestamp(atMs)}, output = ${jsonb(output)}, is_partial = ${isPartial},
          error = ${jsonb(error)}, actual = ${jsonb(fromDemand(actual))}, actual_cost = ${costNanoUsd},
          position = null, eta = null
      where id = ${requestId}
      returning id
    )
    insert into event (request_id, state, at, detail)
    select id, ${ending.kind}, ${timestamp(atMs)}, ${jsonb(error)} from ended`
}
