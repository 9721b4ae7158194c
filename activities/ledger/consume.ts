// The running total of a holder that works, and the renewal of its lease.
//
// C1  A total never falls: reports may overtake each other.
// C2  Nothing is charged before the release, or the end of the lease: until then the hold covers it.

import type { NanoUsd } from '../../domain/money.ts'
import type { RequestKind, RequestState } from '../../domain/request.ts'
import { toDemand, type Demand } from '../../domain/resource.ts'
import type { Sql, Transaction } from './database.ts'
import { jsonb, timestamp } from './statement.ts'

export type Consumption = {
  readonly reservationId: string
  /** The running total so far. */
  readonly consumed: Readonly<Record<string, number>>
  readonly costNanoUsd: NanoUsd | null
  /** From now; null: as long as the lease was at first. */
  readonly extendMs: number | null
}

export type Consumed =
  | {
      readonly kind: 'ok'
      readonly requestKind: RequestKind
      readonly generation: number
      readonly leaseMs: number
      readonly used: Demand
    }
  | { readonly kind: 'not-granted'; readonly state: RequestState }
  | { readonly kind: 'unknown' }

type Row = {
  readonly kind: RequestKind
  readonly state: RequestState
  readonly generation: number
  readonly leaseMs: number
  readonly told: Readonly<Record<string, number>> | null
  readonly toldCost: number | null
}

export async function consume(sql: Sql, consumption: Consumption, atMs: number): Promise<Consumed> {
  const { reservationId, consumed, costNanoUsd, extendMs } = consumption
  return await sql.begin(async (tx) => {
    const row = await lock(tx, reservationId)
    if (row === null) return { kind: 'unknown' }
    const { state, generation } = row
    if (state !== 'granted' && state !== 'executing') return { kind: 'not-granted', state }
    const total: Record<string, number> = { ...row.told }
    for (const [id, units] of Object.entries(consumed)) total[id] = Math.max(units, total[id] ?? 0)
    if (row.kind === 'reservation') {
      const cost = costNanoUsd === null ? row.toldCost : Math.max(costNanoUsd, row.toldCost ?? 0)
      await tx`
        insert into attempt (request_id, attempt, generation, begun_at, reported_at, use, consumed, cost)
        values (${reservationId}, 1, ${generation}, ${timestamp(atMs)}, ${timestamp(atMs)}, 'reported', ${jsonb(total)}, ${cost})
        on conflict (request_id, attempt) do update
        set reported_at = excluded.reported_at, use = 'reported', consumed = excluded.consumed, cost = excluded.cost`
    }
    const leaseMs = extendMs ?? row.leaseMs
    return { kind: 'ok', requestKind: row.kind, generation, leaseMs, used: toDemand(total) }
  })
}

async function lock(tx: Transaction, id: string): Promise<Row | null> {
  const [row] = await tx<Omit<Row, 'told' | 'toldCost'>[]>`
    select kind, state, generation, lease_ms
    from request where id = ${id} and state <> 'refused' for no key update`
  if (row === undefined) return null
  const [attempt] = await tx<{ told: Row['told']; toldCost: number | null }[]>`
    select consumed as told, cost as told_cost from attempt where request_id = ${id} and attempt = 1`
  const isReservation = row.kind === 'reservation'
  return { ...row, told: isReservation ? (attempt?.told ?? null) : null, toldCost: attempt?.toldCost ?? null }
}
