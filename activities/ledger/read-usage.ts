// What a client uses now, today and this month (UTC).
//
// U1  A request counts in the day and month of its admission, its units in those in which they are booked (usage.ts).

import { periodEnd, periodStart } from '../../domain/calendar.ts'
import { concurrencyOf } from '../../domain/client.ts'
import type { Queries } from './database.ts'
import { getBudgets, type BudgetStanding } from './get-budgets.ts'
import { readClient, readTier } from './read-config.ts'
import { timestamp } from './statement.ts'

export type CurrentUsage = {
  readonly budgets: readonly BudgetStanding[]
  readonly concurrent: { readonly used: number; readonly limit: number | null }
  readonly requests: { readonly today: number; readonly month: number; readonly dailyLimit: number | null }
  readonly resources: Readonly<Record<string, { readonly today: number; readonly month: number }>>
}

/** Null where there is no such client. */
export async function currentUsage(
  sql: Queries,
  clientId: string,
  nowMs: number,
): Promise<CurrentUsage | null> {
  const client = await readClient(sql, clientId)
  if (client === null) return null
  const [tier, budgets, holding, sums] = await Promise.all([
    readTier(sql, client.tier),
    getBudgets(sql, clientId, nowMs),
    countHolding(sql, clientId),
    sumMonth(sql, clientId, nowMs),
  ])
  const used = sums.filter(({ resource, unitsMonth }) => resource !== '' && unitsMonth !== 0)
  return {
    budgets,
    concurrent: { used: holding, limit: tier === null ? client.maxConcurrent : concurrencyOf(client, tier) },
    requests: {
      today: sums.reduce((sum, { requestsToday }) => sum + requestsToday, 0),
      month: sums.reduce((sum, { requestsMonth }) => sum + requestsMonth, 0),
      dailyLimit: client.dailyRequests,
    },
    resources: Object.fromEntries(
      used.map(({ resource, unitsToday, unitsMonth }) => [
        resource,
        { today: unitsToday, month: unitsMonth },
      ]),
    ),
  }
}

async function countHolding(sql: Queries, clientId: string): Promise<number> {
  const [row] = await sql<[{ holding: number }]>`
    select count(*) as holding from request
    where client_id = ${clientId} and state in ('granted', 'executing')`
  return row.holding
}

type Sum = {
  /** Empty: the requests themselves. */
  readonly resource: string
  readonly requestsToday: number
  readonly requestsMonth: number
  readonly unitsToday: number
  readonly unitsMonth: number
}

async function sumMonth(sql: Queries, clientId: string, nowMs: number): Promise<readonly Sum[]> {
  const month = { period: 'month', timezone: 'UTC' } as const
  const dayMs = periodStart({ period: 'day', timezone: 'UTC' }, nowMs)
  const today = sql`at >= ${timestamp(dayMs)}`
  const within = sql`client_id = ${clientId} and at >= ${timestamp(periodStart(month, nowMs))}
    and at < ${timestamp(periodEnd(month, nowMs))}`
  return await sql<Sum[]>`
    select resource, coalesce(sum(requests) filter (where ${today}), 0)::bigint as requests_today,
           sum(requests)::bigint as requests_month,
           coalesce(sum(units) filter (where ${today}), 0)::bigint as units_today,
           sum(units)::bigint as units_month
    from (select at, resource, requests, units from usage_day where ${within}
          union all
          select at, coalesce(resource, ''), requests, units from usage_inbox where ${within}) as day
    group by resource
    order by resource`
}
