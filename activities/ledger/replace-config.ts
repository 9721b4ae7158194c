// Replaces the whole configuration: one version, and only what differs is written.
//
// C1  What is not in the new one is removed. Prices are only added: what was priced by them can be explained.
// C2  A configuration that was changed since it was read is not replaced.

import { isDeepStrictEqual } from 'node:util'
import { USD_UNIT, type Budget } from '../../domain/budget.ts'
import type { Catalogue } from '../../domain/catalogue.ts'
import type { Refusal } from '../../domain/failure.ts'
import * as refusals from '../../domain/refusals.ts'
import { nextVersion, recordChanges, type ConfigChange } from './change-config.ts'
import type { Sql, Transaction } from './database.ts'
import { storeBudgets } from './put-budgets.ts'
import { storeDefinition, type Definition, type DefinitionKind } from './put-definition.ts'
import { storePrice } from './put-price.ts'
import { readAll } from './read-whole-config.ts'
import { identifier } from './statement.ts'

export type Replaced =
  | { readonly kind: 'replaced'; readonly version: number }
  | { readonly kind: 'stale'; readonly version: number }
  | { readonly kind: 'refused'; readonly refusal: Refusal }

type By = { readonly version: number; readonly actor: string }

/** `expectedVersion` null: whatever there is. */
export async function replaceConfig(
  sql: Sql,
  next: Catalogue,
  expectedVersion: number | null,
  actor: string,
): Promise<Replaced> {
  const refusal = dangling(next)
  if (refusal !== null) return { kind: 'refused', refusal }
  return await sql.begin(async (tx) => {
    await tx`select from config for update`
    const before = await readAll(tx)
    if (expectedVersion !== null && before.version !== expectedVersion) {
      return { kind: 'stale', version: before.version }
    }
    const by = { version: await nextVersion(tx), actor }
    const old = definitionsOf(before.catalogue)
    const wanted = definitionsOf(next)
    for (const one of wanted)
      if (!old.some((other) => isDeepStrictEqual(one, other))) await storeDefinition(tx, one, by)
    await replaceBudgets(tx, before.catalogue.budgets, next.budgets, by)
    for (const price of next.prices) {
      if (!before.catalogue.prices.some((other) => isDeepStrictEqual(price, other)))
        await storePrice(tx, price, by)
    }
    // Clients go before their tiers.
    const gone = old
      .filter(({ kind, id }) => !wanted.some((one) => one.kind === kind && one.id === id))
      .reverse()
    for (const one of gone) await remove(tx, one, by)
    return { kind: 'replaced', version: by.version }
  })
}

/** Names that are used in it but not defined in it. */
function dangling({ tiers, clients, resources, budgets, templates, workers }: Catalogue): Refusal | null {
  const client = clients.find(({ tier }) => !tiers.some(({ id }) => id === tier))
  if (client !== undefined) return refusals.unknown('tier', client.tier)
  const template = templates.find(({ worker }) => !workers.some(({ name }) => name === worker))
  if (template !== undefined) return refusals.unknown('worker', template.worker)
  const unit = budgets.find((one) => one.unit !== USD_UNIT && !resources.some(({ id }) => id === one.unit))
  return unit === undefined ? null : refusals.unknown('resource', unit.unit)
}

/** Tiers before the clients that have them. */
function definitionsOf(catalogue: Catalogue): readonly Definition[] {
  const named = (kind: DefinitionKind, list: readonly { readonly name: string }[]) =>
    list.map((definition) => ({ kind, id: definition.name, definition }))
  const identified = (kind: DefinitionKind, list: readonly { readonly id: string }[]) =>
    list.map((definition) => ({ kind, id: definition.id, definition }))
  return [
    ...identified('tier', catalogue.tiers),
    ...identified('resource', catalogue.resources),
    ...named('worker', catalogue.workers),
    ...named('template', catalogue.templates),
    ...identified('client', catalogue.clients),
  ]
}

async function replaceBudgets(
  tx: Transaction,
  before: readonly Budget[],
  after: readonly Budget[],
  by: By,
): Promise<void> {
  const scopes = [...new Set([...before, ...after].map(({ scope }) => scope))].sort()
  for (const scope of scopes) {
    const inScope = (list: readonly Budget[]) => list.filter((budget) => budget.scope === scope).sort(byKey)
    const budgets = inScope(after)
    if (!isDeepStrictEqual(inScope(before), budgets)) await storeBudgets(tx, { scope, budgets }, by)
  }
}

function byKey(a: Budget, b: Budget): number {
  return a.unit < b.unit || (a.unit === b.unit && a.period < b.period) ? -1 : 1
}

async function remove(tx: Transaction, { kind, id, definition }: Definition, by: By): Promise<void> {
  await tx`delete from ${identifier(kind)} where id = ${id}`
  const change: ConfigChange = { kind, id, before: definition, after: null }
  await recordChanges(tx, [change], by)
}
