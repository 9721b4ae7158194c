// The end of reservations, told by their holders: what was used is booked, holds are given back.
//
// R1  Once: the same content again gives the same answer, another content is a conflict.
// R2  Unknown use keeps the holds; it is booked as assumed later (settle-unknown.ts), and corrected by a later release.
// R3  After the lease has ended it is taken once, as late: what was booked then is corrected.
// R4  Those that come together are one transaction; their rows are locked in the order of their ids.

import { nano, type NanoUsd } from '../../domain/money.ts'
import type { ReservationOutcome } from '../../domain/report.ts'
import type { RequestKind, RequestState } from '../../domain/request.ts'
import { toDemand, type Demand } from '../../domain/resource.ts'
import { Coalescer, perPool } from './coalescer.ts'
import type { Sql, Transaction } from './database.ts'
import { settleReleases, type HeldRow } from './settle-releases.ts'
import { timestamp } from './statement.ts'

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

const BATCH_MAX = 100
/** While one commits, the next one is read. */
const BATCHES_IN_FLIGHT_MAX = 2

type Told = { readonly given: Release; readonly atMs: number }

export async function release(sql: Sql, given: Release, atMs: number): Promise<Released> {
  return await releasesAt(sql).submit({ given, atMs })
}

const releasesAt = perPool(
  (sql) =>
    new Coalescer<Told, Released>({
      run: (told) => sql.begin((tx) => releaseTogether(tx, told)),
      keyOf: ({ given }) => given.reservationId,
      batchMax: BATCH_MAX,
      inFlightMax: BATCHES_IN_FLIGHT_MAX,
    }),
)

/** In the order of what was told, each of another reservation. */
async function releaseTogether(tx: Transaction, told: readonly Told[]): Promise<readonly Released[]> {
  const rows = await lock(
    tx,
    told.map(({ given }) => given.reservationId),
  )
  const found = told.map((one) => ({ ...one, row: rows.get(one.given.reservationId) }))
  const known = found.map(({ given, row }) => withoutBooking(given, row))
  const unknown = found.flatMap(({ row }, nth) =>
    known[nth]?.kind === 'held' && row !== undefined ? [row] : [],
  )
  await keepHeld(tx, unknown, Math.max(...told.map(({ atMs }) => atMs)))
  const toSettle = found.flatMap(({ given, atMs, row }, nth) =>
    known[nth] === null && row !== undefined ? [{ given, atMs, row }] : [],
  )
  const settled = await settleReleases(tx, toSettle)
  return found.map(({ given }, nth) => {
    const released = known[nth] ?? settled.get(given.reservationId)
    if (released === undefined) throw new Error(`${given.reservationId} was not settled`)
    return released
  })
}

type Row = HeldRow & {
  readonly kind: RequestKind
  readonly clientId: string
  readonly grantedAt: number | null
  readonly releaseHash: string | null
  readonly isLate: boolean
  readonly actual: Readonly<Record<string, number>> | null
}

async function lock(tx: Transaction, ids: readonly string[]): Promise<ReadonlyMap<string, Row>> {
  const rows = await tx<Row[]>`
    select id, kind, client_id, state, generation, admission, granted_at, release_hash, is_late, actual, actual_cost,
           demand
    from request
    where id = any (${ids as string[]}) and state <> 'refused'
    order by id
    for no key update`
  return new Map(rows.map((row) => [row.id, row]))
}

/** The answer where nothing is booked; null where it is. */
function withoutBooking(given: Release, row: Row | undefined): Released | null {
  if (row === undefined) return { kind: 'unknown' }
  const { state, generation } = row
  if (row.kind === 'execution') return { kind: 'execution', state, clientId: row.clientId }
  if (row.releaseHash !== null) return repeated(row, given)
  if (row.grantedAt === null) return { kind: 'not-granted', state }
  return given.outcome === 'unknown' ? { kind: 'held', generation } : null
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

/** R2. What the holders had told so far is no longer the last word; what was booked already stays. */
async function keepHeld(tx: Transaction, rows: readonly Row[], atMs: number): Promise<void> {
  const ids = rows.filter(({ actualCost }) => actualCost === null).map(({ id }) => id)
  if (ids.length === 0) return
  await tx`
    with held as (
      update request set outcome = 'unknown'
      where id = any (${ids}) and outcome is null
      returning id, generation
    )
    insert into attempt (request_id, attempt, generation, begun_at, use)
    select id, 1, generation, ${timestamp(atMs)}, 'unknown' from held
    on conflict (request_id, attempt) do update
    set use = 'unknown', consumed = null, cost = null, reported_at = null, begun_at = excluded.begun_at`
}
