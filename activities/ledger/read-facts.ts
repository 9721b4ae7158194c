// Everything that the ledger knows of the names in an ask, in one statement and so from one moment.

import type { Ask } from '../../domain/ask.ts'
import { pricedAtMs, type Facts } from '../../domain/admit.ts'
import type { Client } from '../../domain/client.ts'
import type { Price } from '../../domain/price.ts'
import type { RequestState } from '../../domain/request.ts'
import type { Resource } from '../../domain/resource.ts'
import type { Template } from '../../domain/template.ts'
import type { Tier } from '../../domain/tier.ts'
import type { Worker } from '../../domain/worker.ts'
import type { Queries } from './database.ts'
import { priceFromRow, type BudgetRow, type PriceRow } from './rows.ts'
import { jsonb, timestamp } from './statement.ts'

export type LedgerFacts = {
  readonly facts: Facts
  /** Of the ask's scopes, root first; tiers' budgets among them although they may not apply. */
  readonly budgets: readonly BudgetRow[]
  readonly previous: Previous | null
}

/** The request that has the id already. */
export type Previous = { readonly state: RequestState; readonly generation: number }

type Row = {
  readonly configVersion: number
  readonly client: Client | null
  readonly tier: Tier | null
  readonly template: Template | null
  readonly worker: Worker | null
  readonly resources: readonly ResourceFacts[] | null
  readonly budgets: readonly BudgetRow[] | null
  readonly previous: Previous | null
}

type ResourceFacts = {
  readonly definition: Resource
  readonly price: PriceRow | null
}

type Asked = { readonly ask: Ask; readonly paths: readonly string[]; readonly atMs: number }

export async function readFacts(sql: Queries, { ask, paths, atMs }: Asked): Promise<LedgerFacts> {
  const template = ask.kind === 'execution' ? ask.template : null
  const worker = ask.kind === 'execution' ? ask.worker : null
  const [row] = await sql<[Row]>`
    with asked_template as (
      select definition from template where id = ${template}
    ), asked_worker as (
      select definition from worker
      where id = coalesce(${worker}, (select definition ->> 'worker' from asked_template))
    ), wanted as (
      -- More than is asked, so that the choice among them is made in one place.
      select jsonb_object_keys(
        coalesce(${jsonb(ask.resources)}::jsonb, '{}')
        || coalesce((select nullif(definition -> 'resources', 'null') from asked_template), '{}')
        || coalesce((select definition -> 'typical' from asked_worker), '{}')) as id
    )
    select
      (select version from config) as config_version,
      (select definition from client where id = ${ask.clientId}) as client,
      (select t.definition from client c join tier t on t.id = c.tier where c.id = ${ask.clientId}) as tier,
      (select definition from asked_template) as template,
      (select definition from asked_worker) as worker,
      (select jsonb_agg(jsonb_build_object(
         'definition', r.definition,
         'price', price_in_force(r.id, ${ask.clientId}, ${timestamp(pricedAtMs(ask, atMs))})))
       from wanted join resource r using (id)) as resources,
      (select jsonb_agg(jsonb_build_object(
         'id', id, 'scope', scope, 'depth', depth, 'unit', unit, 'period', period, 'timezone', timezone,
         'source', source, 'amount', amount, 'enforcement', enforcement, 'graceMs', grace_ms,
         'overageMultiplier', overage_multiplier::text, 'overageMax', overage_max) order by depth, id)
       from budget
       where scope = any (${paths as string[]}) and (is_active or source = 'tier')) as budgets,
      (select jsonb_build_object('state', state, 'generation', generation)
       from request where id = ${ask.id}) as previous`
  const resources: Record<string, Resource> = {}
  const prices: Record<string, Price> = {}
  for (const { definition, price } of row.resources ?? []) {
    resources[definition.id] = definition
    if (price !== null) prices[definition.id] = priceFromRow(price)
  }
  const { configVersion, client, tier } = row
  return {
    facts: {
      configVersion,
      client,
      tier,
      template: row.template,
      worker: row.worker,
      resources,
      prices,
    },
    budgets: row.budgets ?? [],
    previous: row.previous,
  }
}
