// A grant goes back and the request queues again, under its next generation.
//
// Q1  Twice with the same plan gives the same next plan.
// Q2  It may wait anew as long as it might at first, and never beyond its deadline.

import type { Plan } from '../../domain/admission.ts'
import type { Demand } from '../../domain/resource.ts'
import { isFinal, type RequestState } from '../../domain/request.ts'
import type { Sql } from './database.ts'
import { readUse } from './read-use.ts'
import { usedUnder } from './settle-execution.ts'
import { timestamp } from './statement.ts'

export type Requeued = {
  readonly plan: Plan
  /** Use of the generation that ends. */
  readonly settled: Demand
}

type Requeue = { readonly plan: Plan; readonly notBeforeMs: number | null }

type Row = {
  readonly state: RequestState
  readonly generation: number
  readonly waitUntil: number
  readonly longestWaitMs: number
  readonly demand: Readonly<Record<string, number>>
}

/** Throws where the request has ended: only its own workflow ends it. */
export async function requeue(sql: Sql, { plan, notBeforeMs }: Requeue, atMs: number): Promise<Requeued> {
  const { requestId, generation } = plan
  return await sql.begin(async (tx) => {
    const [row] = await tx<Row[]>`
      select state, generation, wait_until, longest_wait_ms, demand from request where id = ${requestId} for no key update`
    if (row === undefined || isFinal(row.state))
      throw new Error(`${requestId} is not open, it cannot queue again`)
    const { attempts } = await readUse(tx, requestId)
    const settled = usedUnder(attempts, { generation, demand: row.demand })
    if (row.generation > generation) {
      return { plan: { ...plan, generation: row.generation, waitUntilMs: row.waitUntil }, settled }
    }
    const againUntilMs = Math.max(plan.waitUntilMs, (notBeforeMs ?? atMs) + row.longestWaitMs)
    const waitUntilMs = Math.min(againUntilMs, plan.deadlineMs ?? Number.MAX_SAFE_INTEGER)
    await tx`
      with queued as (
        update request
        set state = 'waiting', generation = generation + 1, wait_until = ${timestamp(waitUntilMs)},
            granted_at = null, start_by = null, expires_at = null,
            position = null, eta = null, waiting_for = null, left_units = null
        where id = ${requestId}
        returning id, generation
      )
      insert into event (request_id, state, at, detail)
      select id, 'waiting', ${timestamp(atMs)}, jsonb_build_object('generation', generation) from queued`
    return { plan: { ...plan, generation: generation + 1, waitUntilMs }, settled }
  })
}
