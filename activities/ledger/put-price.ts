// Adds a price. Older ones stay: what was priced by them can be explained.

import { isDeepStrictEqual } from 'node:util'
import { PRICE_DEFAULTS, type Price } from '../../domain/price.ts'
import { nextVersion, recordChanges, type Stored } from './change-config.ts'
import type { Sql, Transaction } from './database.ts'
import { jsonb, timestamp } from './statement.ts'

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
  const { resourceId, clientId, effectiveFromMs, effectiveToMs, perUnitUsd, source, ...terms } = price
  await tx`
    insert into price (resource_id, client_id, effective_from, effective_to, per_unit_usd, source, terms)
    values (${resourceId}, ${clientId}, ${timestamp(effectiveFromMs)}, ${timestamp(effectiveToMs)}, ${perUnitUsd},
            ${source}, ${jsonb(withoutDefaults(terms))})`
  const change = {
    kind: 'price',
    id: [resourceId, effectiveFromMs, ...(clientId === null ? [] : [clientId])].join('@'),
    before: null,
    after: price,
  } as const
  await recordChanges(tx, [change], by)
}

/** What differs from the defaults: the row says what the price says. */
export function withoutDefaults<T extends Partial<Price>>(terms: T): Partial<T> {
  const defaults: Readonly<Record<string, unknown>> = PRICE_DEFAULTS
  const said = Object.entries(terms).filter(([name, value]) => !isDeepStrictEqual(value, defaults[name]))
  return Object.fromEntries(said) as Partial<T>
}
