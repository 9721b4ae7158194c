// What an import of the catalogue would change, and the change.
//
// I1  A row is added where what holds at its beginning says something else: a second import changes nothing.
// I2  Prices of single clients are nobody's catalogue: they stay.

import { isDeepStrictEqual } from 'node:util'
import { nextVersion } from '../../activities/ledger/change-config.ts'
import type { Queries, Sql } from '../../activities/ledger/database.ts'
import { pricesAt } from '../../activities/ledger/read-config.ts'
import { storePrice } from '../../activities/ledger/put-price.ts'
import type { PriceTerms } from '../../domain/price.ts'
import { hasProvider, modelFromCatalogue, type CataloguePrice } from './catalogue.ts'

export type Difference = {
  readonly kind: 'new' | 'changed' | 'same'
  readonly row: CataloguePrice
  /** What holds now at the row's beginning. */
  readonly before: PriceTerms | null
}

export type ImportPlan = {
  readonly differences: readonly Difference[]
  readonly doubts: readonly { readonly model: string; readonly doubt: string }[]
}

/** `models` such as `openai/gpt-4o`; `atMs`: where rows that hold already begin. */
export async function planImport(sql: Queries, models: readonly string[], atMs: number): Promise<ImportPlan> {
  const differences: Difference[] = []
  const doubts: ImportPlan['doubts'][number][] = []
  for (const model of models) {
    const found = modelFromCatalogue(model, atMs)
    if (found === null) doubts.push({ model, doubt: 'the catalogue does not know it' })
    doubts.push(...(found?.doubts ?? []).map((doubt) => ({ model, doubt })))
    for (const row of found?.rows ?? []) differences.push(await differenceOf(sql, row))
  }
  return { differences, doubts }
}

/** Adds what differs, as one change of the configuration; how many rows. */
export async function applyImport(sql: Sql, models: readonly string[], atMs: number): Promise<number> {
  return await sql.begin(async (tx) => {
    // Nobody changes a price between the comparison and the rows.
    await tx`select from config for update`
    const { differences } = await planImport(tx, models, atMs)
    const missing = differences.filter(({ kind }) => kind !== 'same')
    if (missing.length === 0) return 0
    const by = { version: await nextVersion(tx), actor: 'prices import' }
    for (const { row } of missing) await storePrice(tx, row, by)
    return missing.length
  })
}

/** The models of what is configured, as far as the catalogue knows their providers. */
export async function configuredModels(sql: Queries): Promise<readonly string[]> {
  const rows = await sql<
    { id: string }[]
  >`select id from resource union select resource_id from price order by id`
  const models = rows.flatMap(({ id }) => {
    const [provider = '', model] = id.split('/')
    return model !== undefined && hasProvider(provider) ? [`${provider}/${model}`] : []
  })
  return [...new Set(models)]
}

async function differenceOf(sql: Queries, row: CataloguePrice): Promise<Difference> {
  const { resourceId, effectiveFromMs } = row
  const found = await pricesAt(sql, [resourceId], { clientId: null, atMs: effectiveFromMs })
  const before = found[resourceId] === undefined ? null : termsOf(found[resourceId])
  if (before === null) return { kind: 'new', row, before }
  return { kind: isDeepStrictEqual(before, termsOf(row)) ? 'same' : 'changed', row, before }
}

/** What decides a cost; who said it does not. */
function termsOf(price: PriceTerms): PriceTerms {
  const { perUnitUsd, thresholds, windows, timezone, thresholdsOf } = price
  const { perCallUsd, minimumUsd, partOf, freePerMonth } = price
  return {
    perUnitUsd,
    thresholds,
    windows,
    timezone,
    thresholdsOf,
    perCallUsd,
    minimumUsd,
    partOf,
    freePerMonth,
  }
}
