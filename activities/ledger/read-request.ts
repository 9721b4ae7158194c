// Everything that is told about one request.
//
// V1  A refusal is told for 24 hours; then the id is as if it had never been asked.

import type { DemandSource } from '../../domain/estimate.ts'
import type { Json, Refusal } from '../../domain/failure.ts'
import type { NanoUsd } from '../../domain/money.ts'
import type { Urgency } from '../../domain/priority.ts'
import type { RequestError, ReservationOutcome } from '../../domain/report.ts'
import type { Accuracy, RequestKind, RequestState } from '../../domain/request.ts'
import { toDemand, type Demand } from '../../domain/resource.ts'
import type { Scope } from '../../domain/scope.ts'
import type { Blocking } from '../../limiter/effect.ts'
import { Coalescer, perPool } from './coalescer.ts'
import type { Queries, Sql } from './database.ts'
import type { Fragment } from './statement.ts'

/** What its own row tells. */
export type RequestBrief = {
  readonly id: string
  readonly kind: RequestKind
  readonly bodyHash: string
  readonly clientId: string
  /** Null only where the client is unknown, which is refused. */
  readonly tier: string | null
  readonly scope: Scope
  readonly labels: Readonly<Record<string, string>>
  readonly state: RequestState
  readonly generation: number
  /** As decided; `askedUrgency` says where it was lowered. */
  readonly urgency: Urgency
  readonly askedUrgency: Urgency
  readonly accuracy: Accuracy | null
  readonly template: string | null
  readonly worker: string | null
  readonly action: string | null
  readonly maxConcurrent: number | null
  readonly demand: Demand
  readonly demandFrom: DemandSource | null
  readonly estimatedNanoUsd: NanoUsd
  /** The cost that is set aside while the request is open; 0 once it has ended, unless its use is unknown. */
  readonly heldNanoUsd: NanoUsd
  readonly actual: Demand | null
  readonly actualNanoUsd: NanoUsd | null
  readonly configVersion: number
  /** The version by which the limiter decided; null before. */
  readonly decidedVersion: number | null
  readonly createdAtMs: number
  readonly deferUntilMs: number | null
  readonly waitUntilMs: number | null
  readonly leaseMs: number | null
  readonly deadlineMs: number | null
  readonly position: number | null
  readonly etaMs: number | null
  readonly waitingFor: Blocking | null
  readonly waitedFor: Blocking | null
  readonly grantedAtMs: number | null
  readonly startByMs: number | null
  readonly expiresAtMs: number | null
  readonly startedAtMs: number | null
  readonly endedAtMs: number | null
  readonly output: Json
  readonly isPartial: boolean
  readonly error: RequestError | null
  readonly refusal: Refusal | null
  readonly outcome: ReservationOutcome | null
  /** What the limiter had left after the release; null before it told. */
  readonly leftUnits: Readonly<Record<string, number>> | null
  /** Settled after its lease had ended. */
  readonly isLate: boolean
}

export type RequestRecord = RequestBrief & {
  readonly attempts: number
  /** Part of the cost is assumed: nobody reported what was used. */
  readonly isAssumed: boolean
  /** The first changes of its state, at most `TIMELINE_MAX`. */
  readonly timeline: readonly TimelineEntry[]
}

export type TimelineEntry = { readonly state: RequestState; readonly atMs: number; readonly detail: Json }

export const REFUSED_KEPT_MS = 86_400_000
export const TIMELINE_MAX = 200

type BriefRow = Omit<RequestBrief, 'demand' | 'actual'> & {
  readonly demand: Readonly<Record<string, number>>
  readonly actual: Readonly<Record<string, number>> | null
}

type Row = BriefRow & {
  readonly attempts: number
  readonly isAssumed: boolean
  readonly timeline: readonly TimelineEntry[] | null
}

/** Null where there is none, or it was refused longer ago than V1 says. */
export async function readRequest(sql: Sql, id: string, nowMs: number): Promise<RequestRecord | null> {
  return unlessForgotten(await recordsAt(sql).submit(id), nowMs)
}

/** The same without what is counted from other tables: a third of the work, for who asks again and again. */
export async function readBrief(sql: Sql, id: string, nowMs: number): Promise<RequestBrief | null> {
  return unlessForgotten(await briefsAt(sql).submit(id), nowMs)
}

function unlessForgotten<T extends RequestBrief>(record: T | null, nowMs: number): T | null {
  const isForgotten = record?.state === 'refused' && record.createdAtMs <= nowMs - REFUSED_KEPT_MS
  return isForgotten ? null : record
}

const BATCH_MAX = 100
const BATCHES_IN_FLIGHT_MAX = 2

/** Many wait for the same announcement, and read at once. */
const recordsAt = perPool((sql) => together((ids) => readRecords(sql, ids)))
const briefsAt = perPool((sql) => together((ids) => readBriefs(sql, ids)))

function together<T extends RequestBrief>(read: (ids: readonly string[]) => Promise<readonly T[]>) {
  return new Coalescer<string, T | null>({
    run: async (ids) => {
      const records = new Map((await read(ids)).map((record) => [record.id, record]))
      return ids.map((id) => records.get(id) ?? null)
    },
    keyOf: () => null,
    batchMax: BATCH_MAX,
    inFlightMax: BATCHES_IN_FLIGHT_MAX,
  })
}

async function readBriefs(sql: Queries, ids: readonly string[]): Promise<readonly RequestBrief[]> {
  const rows = await sql<
    BriefRow[]
  >`select ${briefColumns(sql)} from request r where id = any (${ids as string[]})`
  return rows.map(fromBriefRow)
}

async function readRecords(sql: Queries, ids: readonly string[]): Promise<readonly RequestRecord[]> {
  const rows = await sql<Row[]>`
    select ${briefColumns(sql)},
           (select count(*) from attempt a where a.request_id = r.id) as attempts,
           exists (select from cost_line l where l.request_id = r.id and l.kind = 'assumed'
                     and not exists (select from cost_line c where c.request_id = r.id
                                       and c.attempt = l.attempt and c.kind = 'correction')) as is_assumed,
           (select jsonb_agg(jsonb_build_object(
              'state', state, 'atMs', (extract(epoch from at) * 1000)::bigint, 'detail', detail) order by sequence)
            from (select state, at, detail, sequence from event
                  where request_id = r.id and state is not null order by sequence limit ${TIMELINE_MAX}) as first_events) as timeline
    from request r
    where id = any (${ids as string[]})`
  return rows.map(fromRow)
}

function briefColumns(sql: Queries): Fragment {
  return sql`
    id, kind, body_hash, client_id, tier, scope, labels, state, generation, urgency, asked_urgency,
    accuracy, template, worker, call ->> 'action' as action, max_concurrent, demand, demand_from,
    estimated_cost as "estimatedNanoUsd", actual, actual_cost as "actualNanoUsd",
    config_version, decided_version,
    created_at as "createdAtMs", defer_until as "deferUntilMs", wait_until as "waitUntilMs",
    lease_ms, deadline as "deadlineMs", position, eta as "etaMs", waiting_for, waited_for,
    granted_at as "grantedAtMs", start_by as "startByMs", expires_at as "expiresAtMs",
    started_at as "startedAtMs", ended_at as "endedAtMs", output, is_partial, error, refusal, outcome,
    left_units, is_late,
    case when actual_cost is null and refusal is null then estimated_cost else 0 end as "heldNanoUsd"`
}

function fromBriefRow({ demand, actual, ...rest }: BriefRow): RequestBrief {
  return { ...rest, demand: toDemand(demand), actual: actual === null ? null : toDemand(actual) }
}

function fromRow({ timeline, attempts, isAssumed, ...row }: Row): RequestRecord {
  // A refusal at admission leaves no event.
  const ended: TimelineEntry = { state: row.state, atMs: row.endedAtMs ?? row.createdAtMs, detail: null }
  return { ...fromBriefRow(row), attempts, isAssumed, timeline: timeline ?? [ended] }
}

/** States by id; an id that is not known is not there. */
export async function readStates(
  sql: Queries,
  ids: readonly string[],
): Promise<ReadonlyMap<string, RequestState>> {
  const rows = await sql<{ id: string; state: RequestState }[]>`
    select id, state from request where id = any (${ids as string[]})`
  return new Map(rows.map(({ id, state }) => [id, state]))
}
