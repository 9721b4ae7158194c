// Requests go when they are no longer kept, with their attempts, cost lines, holds, entries and events.
//
// G1  What their entries and lines add up to is carried forward by the balances that they are sums of (retention.ts K2).
// G2  One that holds something, or whose use is still unknown, stays.

import type { Sql, Transaction } from './database.ts'
import { REFUSED_KEPT_MS } from './read-request.ts'
import { timestamp, type Fragment } from './statement.ts'

const BATCH_MAX = 500

/** How many were deleted of those that were refused more than a day ago, at most a batch. */
export async function forgetRefused(sql: Sql, nowMs: number): Promise<number> {
  const since = timestamp(nowMs - REFUSED_KEPT_MS)
  return await sql.begin((tx) =>
    forget(tx, tx`state = 'refused' and created_at < ${since} and ended_at < ${since}`),
  )
}

/** How many were deleted of those that were admitted and ended before `beforeMs`, at most a batch. */
export async function forgetRequests(sql: Sql, beforeMs: number): Promise<number> {
  const before = timestamp(beforeMs)
  return await sql.begin((tx) => forget(tx, tx`created_at < ${before} and ended_at < ${before}`))
}

async function forget(tx: Transaction, which: Fragment): Promise<number> {
  const rows = await tx<{ id: string }[]>`
    select id from request r
    where ${which} and not exists (select from hold where request_id = r.id and is_open)
    order by created_at
    limit ${BATCH_MAX}
    for update skip locked`
  if (rows.length === 0) return 0
  const ids = rows.map(({ id }) => id)
  await carryForward(tx, ids)
  for (const table of [tx`entry`, tx`hold`, tx`cost_line`, tx`attempt`, tx`event`]) {
    await tx`delete from ${table} where request_id = any (${ids})`
  }
  await tx`delete from request where id = any (${ids})`
  return ids.length
}

/** G1. Periods are locked in the order of B1 (lock-balances.ts), allowances after them. */
async function carryForward(tx: Transaction, ids: readonly string[]): Promise<void> {
  await tx`
    select from budget_period p join budget b on b.id = p.budget_id
    where (budget_id, starts_at) in (select budget_id, starts_at from hold where request_id = any (${ids as string[]}))
    order by b.depth, b.id, p.starts_at
    for no key update of p`
  await tx`
    update budget_period p
    set carried_used = carried_used + e.used, carried_surcharge = carried_surcharge + e.surcharge
    from (select h.budget_id, h.starts_at, sum(used)::bigint as used, sum(surcharge)::bigint as surcharge
          from entry join hold h using (request_id, admission, budget_id)
          where request_id = any (${ids as string[]})
          group by h.budget_id, h.starts_at) as e
    where p.budget_id = e.budget_id and p.starts_at = e.starts_at and (e.used <> 0 or e.surcharge <> 0)`
  await tx`
    update budget_slice s
    set carried_used = carried_used + e.used
    from (select e.budget_id, to_timestamp(slice.ms * floor(extract(epoch from r.created_at) * 1000 / slice.ms) / 1000)
                   as starts_at, sum(e.used)::bigint as used
          from entry e
          join budget b on b.id = e.budget_id and b.window_ms > 0
          join request r on r.id = e.request_id,
          lateral (select ceil(b.window_ms / 60.0) as ms) as slice
          where e.request_id = any (${ids as string[]})
          group by 1, 2) as e
    where s.budget_id = e.budget_id and s.starts_at = e.starts_at`
  await tx`
    update allowance a
    set carried_units = carried_units + l.free_units
    from (select p.resource_id, coalesce(p.client_id, '') as client_id, sum(l.free_units)::bigint as free_units
          from cost_line l join price p on p.id = l.price_id
          where l.request_id = any (${ids as string[]}) and l.free_units <> 0
          group by 1, 2) as l
    where (a.resource_id, a.client_id, a.starts_at) =
          (l.resource_id, l.client_id, (select min(starts_at) from allowance
                                        where resource_id = l.resource_id and client_id = l.client_id))`
}
