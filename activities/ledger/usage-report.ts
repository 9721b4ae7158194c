// The history of a client's usage: sums of whole hours (UTC), grouped.
//
// G1  What is rolled up and what waits in the inbox are added up in one statement: a report is never behind, and counts
//     nothing twice.
// G2  Groups come in the order of their keys, bytewise; a page goes on after its last key.
// G3  A request is not of one resource: grouped by resource or model, requests are not counted.

import type { NanoUsd } from '../../domain/money.ts'
import type { Queries, Sql } from './database.ts'
import { timestamp, type Fragment } from './statement.ts'

export const USAGE_GROUPS = ['day', 'resource', 'template', 'model', 'scope', 'worker'] as const
export type UsageGroup = (typeof USAGE_GROUPS)[number]

export type Span = { readonly fromMs: number; readonly toMs: number }

export type UsageQuery = Span & {
  readonly clientId: string
  readonly groupBy: UsageGroup
  /** The last key of the page before. */
  readonly after: string | null
  readonly limit: number
}

export type UsageSum = {
  /** Null: grouped by resource or model (G3). */
  readonly requests: number | null
  readonly units: Readonly<Record<string, number>>
  readonly costNanoUsd: NanoUsd
}

export type UsageItem = UsageSum & {
  /** Empty: without a template, a model, …. */
  readonly key: string
}

export type UsageReport = {
  readonly total: UsageSum
  readonly items: readonly UsageItem[]
  readonly hasMore: boolean
}

/** Of whole hours: those that begin at `fromMs` or later and before `toMs`. */
export async function reportUsage(sql: Sql, query: UsageQuery): Promise<UsageReport> {
  // Both of one moment, so that the groups add up to the total.
  return await sql.begin(async (tx) => {
    const [[total], items] = await Promise.all([
      tx<[UsageSum]>`
        select coalesce(sum(requests), 0)::bigint as requests, ${unitsOf(tx)} as units,
               coalesce(sum(cost), 0)::bigint as "costNanoUsd"
        from (select resource, sum(requests) as requests, sum(units) as units, sum(cost) as cost
              from (${hoursOf(tx, query, tx`null`)}) as hour
              group by resource) as sums`,
      tx<UsageItem[]>`
        select key, ${requestsOf(tx, query)} as requests, ${unitsOf(tx)} as units,
               sum(cost)::bigint as "costNanoUsd"
        from (select key, resource, sum(requests) as requests, sum(units) as units, sum(cost) as cost
              from (${hoursOf(tx, query, keyOf(tx, query.groupBy))}) as hour
              where key is not null and (${query.after}::text is null or key collate "C" > ${query.after})
              group by key, resource) as sums
        group by key
        order by key collate "C"
        limit ${query.limit + 1}`,
    ])
    return { total, items: items.slice(0, query.limit), hasMore: items.length > query.limit }
  }, 'isolation level repeatable read read only')
}

/** What a group is told by; null: not in any. An admission is of no resource (G3). */
function keyOf(tx: Queries, groupBy: UsageGroup): Fragment {
  switch (groupBy) {
    case 'day':
      return tx`to_char(at at time zone 'UTC', 'YYYY-MM-DD')`
    case 'resource':
      return tx`case when units <> 0 or cost <> 0 then resource end`
    case 'model':
      return tx`case when units <> 0 or cost <> 0 then coalesce(model_of(resource), '') end`
    case 'template':
      return tx`template`
    case 'scope':
      return tx`scope_path`
    case 'worker':
      return tx`worker`
    default:
      return groupBy satisfies never
  }
}

/** Rolled up and not yet (G1). */
function hoursOf(tx: Queries, { clientId, groupBy, fromMs, toMs }: UsageQuery, key: Fragment): Fragment {
  const within = tx`client_id = ${clientId} and at >= ${timestamp(fromMs)} and at < ${timestamp(toMs)}`
  const rolledUp = groupBy === 'scope' ? tx`usage_scope_hour` : tx`usage_hour`
  return tx`
    select ${key} as key, resource, requests, units, cost from ${rolledUp} where ${within}
    union all
    select ${key}, resource, requests, units, cost
    from (select at, scope_path, coalesce(template, '') as template, coalesce(worker, '') as worker,
                 coalesce(resource, '') as resource, requests, units, cost
          from usage_inbox where ${within}) as line`
}

function requestsOf(tx: Queries, { groupBy }: UsageQuery): Fragment {
  return groupBy === 'resource' || groupBy === 'model' ? tx`null::bigint` : tx`sum(requests)::bigint`
}

function unitsOf(tx: Queries): Fragment {
  return tx`coalesce(jsonb_object_agg(resource, units::bigint) filter (where resource <> '' and units <> 0), '{}')`
}
