// Everything that the ledger knows of the names in several asks, in one statement and so from one moment.

import type { Ask } from '../../domain/ask.ts'
import { pricedAtMs, type Facts } from '../../domain/admit.ts'
import type { Client } from '../../domain/client.ts'
import type { LearnedUse } from '../../domain/estimate.ts'
import type { RequestState } from '../../domain/request.ts'
import type { Resource } from '../../domain/resource.ts'
import { ancestorPaths } from '../../domain/scope.ts'
import type { Template } from '../../domain/template.ts'
import type { Tier } from '../../domain/tier.ts'
import type { Worker } from '../../domain/worker.ts'
import { budgetJson } from './budget-json.ts'
import type { Queries } from './database.ts'
import { pricesFromRows, type BudgetRow, type PriceRow } from './rows.ts'
import { jsonb, timestamp } from './statement.ts'

export type Arrival = { readonly ask: Ask; readonly atMs: number }

export type LedgerFacts = {
  readonly facts: Facts
  /** Of the ask's scopes, root first; tiers' budgets among them although they may not apply. */
  readonly budgets: readonly BudgetRow[]
  readonly previous: Previous | null
}

/** The request that has the id already. */
export type Previous = { readonly state: RequestState; readonly generation: number }

type ById<T> = Readonly<Record<string, T>> | null

type Row = {
  readonly configVersion: number
  readonly clients: ById<Client>
  readonly tiers: ById<Tier>
  readonly templates: ById<Template>
  readonly workers: ById<Worker>
  readonly resources: ById<Resource>
  /** By the place of the ask. */
  readonly prices: ById<Readonly<Record<string, PriceRow | null>>>
  readonly budgets: readonly BudgetRow[] | null
  readonly previous: ById<Previous>
  /** By the place of the ask. */
  readonly learned: ById<Readonly<Record<string, LearnedUse>>>
}

/** In the order of the arrivals. */
export async function readFacts(sql: Queries, arrivals: readonly Arrival[]): Promise<readonly LedgerFacts[]> {
  const paths = arrivals.map(({ ask }) => ancestorPaths(ask.clientId, ask.scope))
  const asked = arrivals.map(({ ask, atMs }, nth) => ({
    nth,
    id: ask.id,
    client: ask.clientId,
    template: ask.kind === 'execution' ? ask.template : null,
    worker: ask.kind === 'execution' ? ask.worker : null,
    resources: ask.resources ?? {},
    isEstimated: ask.resources === null,
    pricedAt: timestamp(pricedAtMs(ask, atMs)),
  }))
  const sinceMs = Math.min(...arrivals.map(({ atMs }) => atMs))
  const [row] = await sql<[Row]>`
    with asked as (
      select * from jsonb_to_recordset(${jsonb(asked)}) as asked
        (nth integer, id text, client text, template text, worker text, resources jsonb, "isEstimated" boolean,
         "pricedAt" timestamptz)
    ), asked_template as (
      select id, definition from template where id in (select template from asked)
    ), asked_worker as (
      select id, definition from worker
      where id in (select worker from asked) or id in (select definition ->> 'worker' from asked_template)
    ), wanted as (
      -- More than is asked, so that the choice among them is made in one place.
      select nth, client, "pricedAt", jsonb_object_keys(
        resources || coalesce(nullif(t.definition -> 'resources', 'null'), '{}')
                  || coalesce(w.definition -> 'typical', '{}')) as id
      from asked
      left join asked_template t on t.id = template
      left join asked_worker w on w.id = coalesce(worker, t.definition ->> 'worker')
    )
    select
      (select version from config) as config_version,
      (select jsonb_object_agg(id, definition) from client where id in (select client from asked)) as clients,
      (select jsonb_object_agg(id, definition)
       from tier where id in (select tier from client where id in (select client from asked))) as tiers,
      (select jsonb_object_agg(id, definition) from asked_template) as templates,
      (select jsonb_object_agg(id, definition) from asked_worker) as workers,
      (select jsonb_object_agg(id, definition) from resource where id in (select id from wanted)) as resources,
      (select jsonb_object_agg(nth, priced.prices)
       from (select nth, jsonb_object_agg(id, price_in_force(id, client, "pricedAt")) as prices
             from wanted group by nth) as priced) as prices,
      (select jsonb_agg(${budgetJson(sql, timestamp(sinceMs))} order by b.depth, b.id)
       from budget b
       where b.scope = any (${[...new Set(paths.flat())]}) and b.source <> 'credit'
         and (b.is_active or b.source = 'tier')) as budgets,
      (select jsonb_object_agg(id, jsonb_build_object('state', state, 'generation', generation))
       from request where id in (select id from asked)) as previous,
      (select jsonb_object_agg(nth, of_subject)
       from (select nth, jsonb_object_agg(resource_id, to_learned(l)) as of_subject
             from asked join learned_use l on subject = learning_subject(template, worker)
             where "isEstimated" group by nth) as learned) as learned`
  const scopes = Map.groupBy(row.budgets ?? [], ({ scope }) => scope)
  return arrivals.map(({ ask }, nth) => ({
    facts: factsOf(row, ask, nth),
    budgets: (paths[nth] ?? []).flatMap((scope) => scopes.get(scope) ?? []),
    previous: own(row.previous, ask.id),
  }))
}

function factsOf(row: Row, ask: Ask, nth: number): Facts {
  const client = own(row.clients, ask.clientId)
  const template = ask.kind === 'execution' ? own(row.templates, ask.template ?? '') : null
  const worker = ask.kind === 'execution' ? own(row.workers, ask.worker ?? template?.worker ?? '') : null
  return {
    configVersion: row.configVersion,
    client,
    tier: client === null ? null : own(row.tiers, client.tier),
    template,
    worker,
    resources: bare(row.resources ?? {}),
    prices: bare(pricesFromRows(row.prices?.[nth] ?? {})),
    learned: bare(row.learned?.[nth] ?? {}),
  }
}

/** Names are the users': `constructor` is one like any other. */
function own<T>(of: ById<T>, name: string): T | null {
  return of !== null && Object.hasOwn(of, name) ? (of[name] ?? null) : null
}

function bare<T>(record: Readonly<Record<string, T>>): Readonly<Record<string, T>> {
  return Object.assign(Object.create(null) as Record<string, T>, record)
}
