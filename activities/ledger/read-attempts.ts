// What the attempts of requests used, and the prices by which it is booked.

import type { Use } from '../../domain/report.ts'
import { nano } from '../../domain/money.ts'
import { toDemand } from '../../domain/resource.ts'
import type { Attempt, Reserved } from '../../domain/settlement.ts'
import type { Transaction } from './database.ts'
import { pricesAt } from './read-config.ts'

export type AttemptRow = {
  readonly requestId: string
  readonly attempt: number
  readonly generation: number
  readonly use: Use['kind']
  readonly consumed: Readonly<Record<string, number>> | null
  readonly cost: number | null
}

export function attemptFromRow(row: AttemptRow): Attempt {
  const { attempt, generation } = row
  if (row.use !== 'reported') return { attempt, generation, use: { kind: row.use } }
  const costNanoUsd = row.cost === null ? null : nano(row.cost)
  return { attempt, generation, use: { kind: 'reported', consumed: row.consumed ?? {}, costNanoUsd } }
}

/** In order. */
export async function readAttempts(tx: Transaction, requestId: string): Promise<readonly Attempt[]> {
  const rows = await tx<AttemptRow[]>`
    select request_id, attempt, generation, use, consumed, cost
    from attempt where request_id = ${requestId} order by attempt`
  return rows.map(attemptFromRow)
}

export type PricedRequest = {
  readonly demand: Readonly<Record<string, number>>
  readonly estimatedCost: number
  readonly createdAt: number
}

/** What was reserved, with the prices of then for everything that was reserved or used. */
export async function reservedOf(
  tx: Transaction,
  { demand, estimatedCost, createdAt }: PricedRequest,
  attempts: readonly Pick<Attempt, 'use'>[],
): Promise<Reserved> {
  const used = attempts.flatMap(({ use }) => (use.kind === 'reported' ? Object.keys(use.consumed) : []))
  const ids = [...new Set([...Object.keys(demand), ...used])]
  const prices = ids.length === 0 ? {} : await pricesAt(tx, ids, createdAt)
  return { demand: toDemand(demand), costNanoUsd: nano(estimatedCost), prices }
}
