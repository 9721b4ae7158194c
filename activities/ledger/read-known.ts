// What there is under an id that is taken already.

import type { Admission } from '../../domain/admission.ts'
import type { Ask } from '../../domain/ask.ts'
import { isFinal, type RequestState } from '../../domain/request.ts'
import type { Queries } from './database.ts'
import { planFromRow, type PlanRow } from './rows.ts'

type Row = PlanRow & { readonly state: RequestState; readonly bodyHash: string }

/** By id. An open execution that is asked for again is told as admitted, with its plan. */
export async function readKnown(sql: Queries, asks: readonly Ask[]): Promise<ReadonlyMap<string, Admission>> {
  if (asks.length === 0) return new Map()
  const rows = await sql<Row[]>`
    select id, state, body_hash, generation, client_id, tier, max_concurrent, urgency, demand, created_at,
           defer_until, wait_until, lease_ms, deadline, estimated_cost, config_version, call, input
    from request where id = any (${asks.map(({ id }) => id)})`
  const byId = new Map(asks.map((ask) => [ask.id, ask]))
  return new Map(rows.map((row) => [row.id, admissionOf(row, byId.get(row.id))]))
}

function admissionOf(row: Row, ask: Ask | undefined): Admission {
  const isSame = row.bodyHash === ask?.bodyHash
  const plan = isSame && !isFinal(row.state) ? planFromRow(row) : null
  if (plan !== null && ask?.kind === 'execution') return { kind: 'admitted', plan }
  return { kind: 'known', state: row.state, sameBody: isSame, plan }
}
