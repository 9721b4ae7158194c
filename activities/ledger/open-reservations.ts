// What the limiter must know of its earlier life when it starts cold.
//
// O1  Grants that still count come first, in the order of their times: leases that run, and use that a limit's window
//     or bucket may still remember.
// O2  Who waits comes in the order of admission, under the reservation that was asked last.

import { reservationKey } from '../../domain/admission.ts'
import type { Urgency } from '../../domain/priority.ts'
import { memoryMsOf } from '../../domain/rate.ts'
import { toDemand } from '../../domain/resource.ts'
import type { Adopt, Reserve } from '../../limiter/event.ts'
import type { Queries } from './database.ts'
import { listResources } from './read-config.ts'
import { timestamp, type Fragment } from './statement.ts'

type GrantRow = {
  readonly id: string
  readonly generation: number
  readonly clientId: string
  readonly units: Readonly<Record<string, number>>
  readonly grantedAt: number
  readonly expiresAt: number | null
}

/** O1. `expiresAtMs` null: it has ended, and used `demand`. */
export async function knownGrants(sql: Queries, nowMs: number): Promise<Adopt[]> {
  const resources = await listResources(sql)
  const spans = resources.flatMap(({ limits, jitterMs }) =>
    limits.map((limit) => memoryMsOf(limit) + jitterMs),
  )
  const sinceMs = nowMs - Math.max(0, ...spans)
  const rows = await sql<GrantRow[]>`
    select id, generation, client_id, granted_at,
           case when ended_at is null then demand else coalesce(actual, demand) end as units,
           case when ended_at is null then expires_at end as expires_at
    from request
    where granted_at is not null
      and (state in ('granted', 'executing') or granted_at >= ${timestamp(sinceMs)})
    order by granted_at, id`
  return rows.map(({ id, generation, clientId, units, grantedAt, expiresAt }) => ({
    kind: 'adopt',
    atMs: grantedAt,
    id: reservationKey(id, generation),
    clientId,
    demand: toDemand(units),
    grantedAtMs: grantedAt,
    expiresAtMs: expiresAt,
  }))
}

type WaitingRow = {
  readonly id: string
  readonly generation: number
  readonly clientId: string
  readonly tier: string
  readonly maxConcurrent: number | null
  readonly urgency: Urgency
  readonly demand: Readonly<Record<string, number>>
  readonly enqueuedAt: number
  readonly waitUntil: number
  readonly leaseMs: number
}

/** O2; `atMs` is `nowMs`. */
export async function waitingReservations(sql: Queries, nowMs: number): Promise<Reserve[]> {
  const waits = sql`state = 'waiting' or (state = 'deferred' and defer_until <= ${timestamp(nowMs)})`
  return await reservesOf(sql, waits, nowMs)
}

const LOST_MAX = 200

/** Reservations that were admitted before `admittedBeforeMs` that may still wait and have no place in a queue: the oldest ones. */
export async function lostReservations(
  sql: Queries,
  admittedBeforeMs: number,
  nowMs: number,
): Promise<readonly Reserve[]> {
  const isLost = sql`state = 'waiting' and kind = 'reservation' and position is null
    and created_at < ${timestamp(admittedBeforeMs)} and wait_until > ${timestamp(nowMs)}`
  return (await reservesOf(sql, isLost, nowMs)).slice(0, LOST_MAX)
}

async function reservesOf(sql: Queries, which: Fragment, nowMs: number): Promise<Reserve[]> {
  const rows = await sql<WaitingRow[]>`
    select id, generation, client_id, tier, max_concurrent, urgency, demand,
           coalesce(defer_until, created_at) as enqueued_at, wait_until, lease_ms
    from request
    where ${which}
    order by created_at, id`
  return rows.map((row) => ({
    kind: 'reserve',
    atMs: nowMs,
    id: reservationKey(row.id, row.generation),
    clientId: row.clientId,
    tier: row.tier,
    maxConcurrent: row.maxConcurrent,
    urgency: row.urgency,
    demand: toDemand(row.demand),
    enqueuedAtMs: row.enqueuedAt,
    waitUntilMs: row.waitUntil,
    leaseMs: row.leaseMs,
  }))
}
