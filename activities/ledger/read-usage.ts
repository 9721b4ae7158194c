// What a client uses now, today and this month (UTC).
//
// U1  A request counts in the day and month of its admission, whenever it ends; refused ones never.

import { periodStart } from '../../domain/calendar.ts'
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
  const [tier, budgets, requests, resources] = await Promise.all([
    readTier(sql, client.tier),
    getBudgets(sql, clientId, nowMs),
    countRequests(sql, clientId, nowMs),
    sumResources(sql, clientId, nowMs),
  ])
  const { today, month, holding } = requests
  return {
    budgets,
    concurrent: { used: holding, limit: tier === null ? client.maxConcurrent : concurrencyOf(client, tier) },
    requests: { today, month, dailyLimit: client.dailyRequests },
    resources,
  }
}

type Counts = { readonly today: number; readonly month: number; readonly holding: number }

async function countRequests(sql: Queries, clientId: string, nowMs: number): Promise<Counts> {
  const { dayMs, monthMs } = startsOf(nowMs)
  const [row] = await sql<[Counts]>`
    select count(*) as month, count(*) filter (where created_at >= ${timestamp(dayMs)}) as today,
           (select count(*) from request
            where client_id = ${clientId} and state in ('granted', 'executing')) as holding
    from request
    where client_id = ${clientId} and created_at >= ${timestamp(monthMs)} and state <> 'refused'`
  return row
}

async function sumResources(
  sql: Queries,
  clientId: string,
  nowMs: number,
): Promise<CurrentUsage['resources']> {
  const { dayMs, monthMs } = startsOf(nowMs)
  const rows = await sql<{ id: string; today: number; month: number }[]>`
    select used.key as id, sum(used.value::bigint)::bigint as month,
           coalesce(sum(used.value::bigint) filter (where created_at >= ${timestamp(dayMs)}), 0)::bigint as today
    from request, jsonb_each_text(actual) as used
    where client_id = ${clientId} and created_at >= ${timestamp(monthMs)} and actual is not null
    group by used.key
    order by used.key`
  return Object.fromEntries(rows.map(({ id, today, month }) => [id, { today, month }]))
}

function startsOf(nowMs: number): { readonly dayMs: number; readonly monthMs: number } {
  return {
    dayMs: periodStart({ period: 'day', timezone: 'UTC' }, nowMs),
    monthMs: periodStart({ period: 'month', timezone: 'UTC' }, nowMs),
  }
}
