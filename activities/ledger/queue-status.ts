// How long requests waited lately, by the class that their wait turned out to be, and by resource.

import { queueClassOf, type QueueClass } from '../../domain/priority.ts'
import type { Queries } from './database.ts'
import { timestamp } from './statement.ts'

export type AverageWaits = {
  /** Milliseconds; a class or resource without a grant in that time is not there. */
  readonly classes: Readonly<Partial<Record<QueueClass, number>>>
  readonly resources: Readonly<Record<string, number>>
}

const LATELY_MS = 3_600_000
/** The newest grants alone are looked at: enough for an average, and a bound on the work. */
const GRANTS_MAX = 10_000

type Row = {
  readonly id: string | null
  readonly waitedMs: number
  readonly count: number
}

/** Averages over the grants of the last hour. */
export async function averageWaits(sql: Queries, nowMs: number): Promise<AverageWaits> {
  const rows = await sql<Row[]>`
    with granted as (
      select demand,
             greatest(0, extract(epoch from granted_at - coalesce(defer_until, created_at)) * 1000)::bigint as waited
      from request
      where granted_at > ${timestamp(nowMs - LATELY_MS)}
      order by granted_at desc
      limit ${GRANTS_MAX}
    )
    select null as id, waited as waited_ms, count(*) as count from granted group by waited
    union all
    select key, avg(waited)::bigint, count(*)
    from granted, jsonb_object_keys(demand) as key
    group by key`
  const sums = new Map<QueueClass, { total: number; count: number }>()
  const resources: Record<string, number> = {}
  for (const { id, waitedMs, count } of rows) {
    if (id !== null) resources[id] = waitedMs
    else {
      const queueClass = queueClassOf(waitedMs)
      const { total, count: before } = sums.get(queueClass) ?? { total: 0, count: 0 }
      sums.set(queueClass, { total: total + waitedMs * count, count: before + count })
    }
  }
  const classes = Object.fromEntries(
    [...sums].map(([queueClass, { total, count }]) => [queueClass, Math.round(total / count)]),
  )
  return { classes, resources }
}
