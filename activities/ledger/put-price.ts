// Adds a price. Older ones stay: what was priced by them can be explained.

import type { Price } from '../../domain/price.ts'
import { nextVersion, recordChanges, type Stored } from './change-config.ts'
import type { Sql, Transaction } from './database.ts'
import { timestamp } from './statement.ts'

export type PriceChange = Omit<Price, 'id'>

/** `created`: the resource had no price before. */
export async function putPrice(sql: Sql, price: PriceChange, actor: string): Promise<Stored> {
  return await sql.begin(async (tx) => {
    const version = await nextVersion(tx)
    const [known] = await tx<[{ count: number }]>`
      select count(*) as count from price where resource_id = ${price.resourceId}`
    await storePrice(tx, price, { version, actor })
    return { version, created: known.count === 0 }
  })
}

type By = { readonly version: number; readonly actor: string }

/** The same inside a change that has its version already. */
export async function storePrice(tx: Transaction, price: PriceChange, by: By): Promise<void> {
  const { resourceId, effectiveFromMs, perUnitUsd, source } = price
  await tx`
    insert into price (resource_id, effective_from, per_unit_usd, source)
    values (${resourceId}, ${timestamp(effectiveFromMs)}, ${perUnitUsd}, ${source})`
  const change = {
    kind: 'price',
    id: `${resourceId}@${effectiveFromMs}`,
    before: null,
    after: price,
  } as const
  await recordChanges(tx, [change], by)
}
