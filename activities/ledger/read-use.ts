// What the attempts of requests used, with the prices by which it is booked.

import type { Use } from '../../domain/report.ts'
import { nano } from '../../domain/money.ts'
import { toDemand } from '../../domain/resource.ts'
import type { Attempt, Reserved } from '../../domain/settlement.ts'
import { allowancesOf, keyOf, lockAllowances, type Allowance } from './allowances.ts'
import type { Transaction } from './database.ts'
import { pricesFromRows, type PriceRow } from './rows.ts'
import { jsonb } from './statement.ts'

export type RequestUse = {
  /** In order. */
  readonly attempts: readonly Attempt[]
  readonly reserved: Reserved
  /** Of the prices that give something away, by resource; locked. */
  readonly allowances: Readonly<Record<string, Allowance>>
}

export type AttemptFacts = {
  readonly attempt: number
  readonly generation: number
  readonly use: Use['kind']
  readonly consumed: Readonly<Record<string, number>> | null
  readonly cost: number | null
}

type Row = {
  readonly id: string
  readonly demand: Readonly<Record<string, number>>
  readonly estimatedCost: number
  readonly pricedAt: number
  readonly attempts: readonly AttemptFacts[] | null
  readonly prices: Readonly<Record<string, PriceRow | null>> | null
}

/** Resources beside those that were reserved or used, by request. */
type Also = Readonly<Record<string, readonly string[]>>

/** By request. Prices are those in force at admission, for all that was reserved or used, and for `also`. */
export async function readUses(
  tx: Transaction,
  requestIds: readonly string[],
  also: Also = {},
): Promise<ReadonlyMap<string, RequestUse>> {
  const rows = await tx<Row[]>`
    select r.id, r.demand, r.estimated_cost, coalesce(r.defer_until, r.created_at) as priced_at,
           (select jsonb_agg(jsonb_build_object('attempt', attempt, 'generation', generation, 'use', use,
                                                'consumed', consumed, 'cost', cost) order by attempt)
            from attempt a where a.request_id = r.id) as attempts,
           (select jsonb_object_agg(used.id, price_in_force(used.id, r.client_id, coalesce(r.defer_until, r.created_at)))
            from (select jsonb_object_keys(r.demand) as id
                  union
                  select jsonb_object_keys(a.consumed) from attempt a where a.request_id = r.id
                  union
                  select jsonb_array_elements_text(${jsonb(also)}::jsonb -> r.id)) as used) as prices
    from request r
    where r.id = any (${requestIds as string[]})`
  return await fromRows(tx, rows)
}

/** The same of one request, which is there. */
export async function readUse(tx: Transaction, requestId: string): Promise<RequestUse> {
  const use = (await readUses(tx, [requestId])).get(requestId)
  if (use === undefined) throw new Error(`there is no request ${requestId}`)
  return use
}

/** What is left of an allowance is read last, under its lock. */
async function fromRows(tx: Transaction, rows: readonly Row[]): Promise<ReadonlyMap<string, RequestUse>> {
  const facts = rows.map((row) => {
    const prices = pricesFromRows(row.prices ?? {})
    return { row, prices, allowances: allowancesOf(prices, row.pricedAt) }
  })
  const left = await lockAllowances(
    tx,
    facts.flatMap(({ allowances }) => Object.values(allowances)),
  )
  return new Map(
    facts.map(({ row, prices, allowances }) => {
      const freeUnits: Record<string, number> = {}
      for (const one of Object.values(allowances)) freeUnits[one.resourceId] = left.get(keyOf(one)) ?? 0
      const reserved: Reserved = {
        demand: toDemand(row.demand),
        costNanoUsd: nano(row.estimatedCost),
        prices,
        occasion: { atMs: row.pricedAt, freeUnits },
      }
      return [row.id, { attempts: (row.attempts ?? []).map(attemptFrom), reserved, allowances }]
    }),
  )
}

export function attemptFrom({ attempt, generation, use, consumed, cost }: AttemptFacts): Attempt {
  if (use !== 'reported') return { attempt, generation, use: { kind: use } }
  const costNanoUsd = cost === null ? null : nano(cost)
  return { attempt, generation, use: { kind: 'reported', consumed: consumed ?? {}, costNanoUsd } }
}
