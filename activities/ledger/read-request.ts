// Everything that is told about one request.
//
// V1  A refusal is told for 24 hours; then the id is as if it had never been asked.

import type { WorkerCall } from '../../domain/admission.ts'
import type { DemandSource } from '../../domain/estimate.ts'
import type { Json, Refusal } from '../../domain/failure.ts'
import type { NanoUsd } from '../../domain/money.ts'
import type { Urgency } from '../../domain/priority.ts'
import type { RequestError, ReservationOutcome } from '../../domain/report.ts'
import type { Accuracy, RequestKind, RequestState } from '../../domain/request.ts'
import type { Scope } from '../../domain/scope.ts'
import type { Blocking } from '../../limiter/effect.ts'
import type { Queries } from './database.ts'

export type RequestRecord = {
  readonly id: string
  readonly kind: RequestKind
  readonly bodyHash: string
  readonly clientId: string
  /** Null only where the client is unknown, which is refused. */
  readonly tier: string | null
  readonly scope: Scope
  readonly scopePath: string
  readonly labels: Readonly<Record<string, string>>
  readonly state: RequestState
  readonly generation: number
  /** As decided; `askedUrgency` where it was lowered. */
  readonly urgency: Urgency
  readonly askedUrgency: Urgency
  readonly accuracy: Accuracy | null
  readonly template: string | null
  readonly worker: string | null
  readonly call: Omit<WorkerCall, 'input'> | null
  readonly maxConcurrent: number | null
  readonly demand: Readonly<Record<string, number>>
  readonly demandFrom: DemandSource | null
  readonly estimatedNanoUsd: NanoUsd
  /** What its largest open USD hold sets aside; 0 where nothing is held. */
  readonly heldNanoUsd: NanoUsd
  readonly actual: Readonly<Record<string, number>> | null
  readonly actualNanoUsd: NanoUsd | null
  /** Part of the cost is assumed: nobody reported what was used. */
  readonly isAssumed: boolean
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
  readonly attempts: number
  readonly output: Json
  readonly isPartial: boolean
  readonly error: RequestError | null
  readonly problem: Refusal | null
  readonly outcome: ReservationOutcome | null
  /** What the limiter had left after the release; null before it told. */
  readonly leftUnits: Readonly<Record<string, number>> | null
  readonly isLate: boolean
}

export const REFUSED_KEPT_MS = 86_400_000

/** Null where there is none, or it was refused longer ago than V1 says. */
export async function readRequest(sql: Queries, id: string, nowMs: number): Promise<RequestRecord | null> {
  const [row] = await sql<RequestRecord[]>`
    select id, kind, body_hash, client_id, tier, scope, scope_path, labels, state, generation, urgency,
           asked_urgency, accuracy, template, worker, call, max_concurrent, demand, demand_from,
           estimated_cost as "estimatedNanoUsd", actual, actual_cost as "actualNanoUsd",
           config_version, decided_version,
           created_at as "createdAtMs", defer_until as "deferUntilMs", wait_until as "waitUntilMs",
           lease_ms, deadline as "deadlineMs", position, eta as "etaMs", waiting_for, waited_for,
           granted_at as "grantedAtMs", start_by as "startByMs", expires_at as "expiresAtMs",
           started_at as "startedAtMs", ended_at as "endedAtMs", output, is_partial, error, problem, outcome,
           left_units, is_late,
           (select count(*) from attempt a where a.request_id = r.id) as attempts,
           exists (select from cost_line l where l.request_id = r.id and l.kind = 'assumed'
                     and not exists (select from cost_line c where c.request_id = r.id
                                       and c.attempt = l.attempt and c.kind = 'correction')) as is_assumed,
           coalesce((select max(h.amount) from hold h join budget b on b.id = h.budget_id
                     where h.request_id = r.id and h.is_open and b.unit = 'USD'),
                    case when ended_at is null then estimated_cost else 0 end) as "heldNanoUsd"
    from request r
    where id = ${id} and (state <> 'refused' or created_at > ${nowMs - REFUSED_KEPT_MS})`
  return row ?? null
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
