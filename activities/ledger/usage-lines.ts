// Usage line by line, in the order in which it was booked.
//
// N1  Lines that are rolled up and lines that wait are read in one statement, a page at a time: each is told once.

import type { NanoUsd } from '../../domain/money.ts'
import type { BookingKind } from '../../domain/settlement.ts'
import type { Queries } from './database.ts'
import { timestamp, type Fragment } from './statement.ts'
import type { Span } from './usage-report.ts'

export type UsageLine = {
  readonly id: number
  readonly atMs: number
  readonly requestId: string
  readonly attempt: number
  readonly kind: BookingKind
  readonly scopePath: string
  readonly template: string | null
  readonly worker: string | null
  /** Null: what a whole attempt cost. */
  readonly resource: string | null
  readonly model: string | null
  /** Of the resource; null where it is no longer configured. */
  readonly unit: string | null
  readonly provider: string | null
  readonly units: number
  readonly costNanoUsd: NanoUsd
}

const PAGE_SIZE = 1_000

/** What was booked; admissions are no use. */
export async function* usageLines(
  sql: Queries,
  clientId: string,
  { fromMs, toMs }: Span,
): AsyncGenerator<UsageLine, void> {
  let after = { atMs: fromMs, id: 0 }
  for (;;) {
    const { atMs, id } = after
    const within = sql`client_id = ${clientId} and at < ${timestamp(toMs)}
      and (at, id) > (${timestamp(atMs)}, ${id}) and kind in ('use', 'assumed', 'correction')`
    const page = await sql<UsageLine[]>`
      select l.id, at as at_ms, request_id, attempt, kind, scope_path, template, worker, resource,
             model_of(resource) as model, definition ->> 'unit' as unit, definition ->> 'provider' as provider,
             units, cost as "costNanoUsd"
      from (${pageOf(sql, sql`usage_line`, within)} union all ${pageOf(sql, sql`usage_inbox`, within)}) as l
      left join resource r on r.id = l.resource
      order by at, l.id
      limit ${PAGE_SIZE}`
    yield* page
    const last = page.at(-1)
    if (last === undefined || page.length < PAGE_SIZE) return
    after = last
  }
}

function pageOf(sql: Queries, table: Fragment, within: Fragment): Fragment {
  return sql`(
    select id, at, request_id, attempt, kind, scope_path, template, worker, resource, units, cost
    from ${table} where ${within}
    order by at, id
    limit ${PAGE_SIZE})`
}
