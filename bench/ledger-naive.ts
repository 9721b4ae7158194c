// Admission as it is written at first: a transaction for each, a statement for each row, a lock for each scope.

import type { Sql } from '../activities/ledger/database.ts'
import { jsonb, timestamp } from '../activities/ledger/statement.ts'
import type { ReservationAsk } from '../domain/ask.ts'
import { costOf } from '../domain/money.ts'
import { ancestorPaths } from '../domain/scope.ts'

type Outcome = { readonly kind: 'admitted' | 'refused' }

type BudgetRow = { readonly id: number; readonly amount: number }

const TOTAL_STARTS_AT = timestamp(0)

/** For budgets in USD without a period: enough for the benchmark, and no check is left out that it needs. */
export async function naiveAdmit(sql: Sql, ask: ReservationAsk, atMs: number): Promise<Outcome> {
  return await sql.begin(async (tx) => {
    const [client] = await tx<{ tier: string }[]>`select tier from client where id = ${ask.clientId}`
    if (client === undefined) return { kind: 'refused' }
    let cost = 0
    for (const [id, units] of Object.entries(ask.resources)) {
      const [price] = await tx<{ perUnit: string }[]>`
        select trim_scale(per_unit_usd)::text as per_unit from price
        where resource_id = ${id} and effective_from <= ${timestamp(atMs)}
        order by effective_from desc, id desc limit 1`
      if (price === undefined) return { kind: 'refused' }
      cost += costOf(units, price.perUnit)
    }
    const holds: number[] = []
    for (const scope of ancestorPaths(ask.clientId, ask.scope)) {
      const budgets = await tx<BudgetRow[]>`
        select id, amount from budget where scope = ${scope} and is_active order by id`
      for (const { id, amount } of budgets) {
        await tx`
          insert into budget_period (budget_id, starts_at) values (${id}, ${TOTAL_STARTS_AT})
          on conflict do nothing`
        const [balance] = await tx<[{ held: number; used: number }]>`
          select held, used from budget_period
          where budget_id = ${id} and starts_at = ${TOTAL_STARTS_AT} for update`
        if (balance.held + balance.used + cost > amount) return { kind: 'refused' }
        holds.push(id)
      }
    }
    const at = timestamp(atMs)
    await tx`
      insert into request (id, kind, body_hash, client_id, tier, scope, scope_path, labels, state, generation,
                           admission, urgency, asked_urgency, demand, demand_from, estimated_cost,
                           config_version, created_at, wait_until, longest_wait_ms, lease_ms)
      values (${ask.id}, 'reservation', ${ask.bodyHash}, ${ask.clientId}, ${client.tier}, ${jsonb(ask.scope)},
              ${ask.clientId}, '{}', 'waiting', 1, 1, ${ask.urgency}, ${ask.urgency}, ${jsonb(ask.resources)},
              'request', ${cost}, 1, ${at}, ${at}, 0, ${ask.ttlMs})`
    for (const id of holds) {
      await tx`
        insert into hold (request_id, admission, budget_id, starts_at, amount, is_open)
        values (${ask.id}, 1, ${id}, ${TOTAL_STARTS_AT}, ${cost}, true)`
      await tx`
        insert into entry (request_id, admission, attempt, kind, budget_id, held, used, surcharge, at)
        values (${ask.id}, 1, 0, 'hold', ${id}, ${cost}, 0, 0, ${at})`
      await tx`
        update budget_period set held = held + ${cost}
        where budget_id = ${id} and starts_at = ${TOTAL_STARTS_AT}`
    }
    await tx`
      insert into usage_inbox (at, client_id, scope_path, request_id, attempt, kind, requests, units, cost)
      values (${at}, ${ask.clientId}, ${ask.clientId}, ${ask.id}, 0, 'admission', 1, 0, 0)`
    await tx`insert into event (request_id, state, at) values (${ask.id}, 'admitted', ${at})`
    await tx`insert into event (request_id, state, at) values (${ask.id}, 'waiting', ${at})`
    return { kind: 'admitted' }
  })
}
