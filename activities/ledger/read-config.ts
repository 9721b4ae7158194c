// Reads what is configured.

import type { Client } from '../../domain/client.ts'
import type { Price, PriceTerms } from '../../domain/price.ts'
import type { Resource } from '../../domain/resource.ts'
import type { Template } from '../../domain/template.ts'
import type { Tier } from '../../domain/tier.ts'
import type { Worker } from '../../domain/worker.ts'
import type { Queries } from './database.ts'
import type { DefinitionKind } from './put-definition.ts'
import { priceFromRow, pricesFromRows, type PriceRow } from './rows.ts'
import { identifier, timestamp } from './statement.ts'

export async function configVersion(sql: Queries): Promise<number> {
  const [row] = await sql<[{ version: number }]>`select version from config`
  return row.version
}

export async function readResource(sql: Queries, id: string): Promise<Resource | null> {
  return await one<Resource>(sql, 'resource', id)
}

export async function readTier(sql: Queries, id: string): Promise<Tier | null> {
  return await one<Tier>(sql, 'tier', id)
}

export async function readClient(sql: Queries, id: string): Promise<Client | null> {
  return await one<Client>(sql, 'client', id)
}

export async function readWorker(sql: Queries, name: string): Promise<Worker | null> {
  return await one<Worker>(sql, 'worker', name)
}

export async function readTemplate(sql: Queries, name: string): Promise<Template | null> {
  return await one<Template>(sql, 'template', name)
}

export async function listResources(sql: Queries): Promise<readonly Resource[]> {
  return await all<Resource>(sql, 'resource')
}

export async function listTiers(sql: Queries): Promise<readonly Tier[]> {
  return await all<Tier>(sql, 'tier')
}

export async function listClients(sql: Queries): Promise<readonly Client[]> {
  return await all<Client>(sql, 'client')
}

export async function listWorkers(sql: Queries): Promise<readonly Worker[]> {
  return await all<Worker>(sql, 'worker')
}

export async function listTemplates(sql: Queries): Promise<readonly Template[]> {
  return await all<Template>(sql, 'template')
}

/** All that ever applied or will, by resource, the newest first; `resourceId` null: of every resource. */
export async function listPrices(sql: Queries, resourceId: string | null): Promise<readonly Price[]> {
  const rows = await sql<ListedPrice[]>`
    select id, resource_id, client_id, effective_from, effective_to, trim_scale(per_unit_usd)::text as per_unit_usd,
           source, terms
    from price
    where resource_id = coalesce(${resourceId}, resource_id)
    order by resource_id, effective_from desc, id desc`
  return rows.map(({ effectiveFrom, effectiveTo, terms, ...row }) =>
    priceFromRow({ ...row, ...terms, effectiveFromMs: effectiveFrom, effectiveToMs: effectiveTo }),
  )
}

type ListedPrice = Pick<Price, 'id' | 'resourceId' | 'clientId' | 'perUnitUsd' | 'source'> & {
  readonly effectiveFrom: number
  readonly effectiveTo: number | null
  readonly terms: Partial<PriceTerms>
}

type Sale = { readonly clientId: string | null; readonly atMs: number }

/** The prices in force at `atMs`, by resource; a resource without one is not there. */
export async function pricesAt(
  sql: Queries,
  resourceIds: readonly string[],
  { clientId, atMs }: Sale,
): Promise<Record<string, Price>> {
  const rows = await sql<{ id: string; price: PriceRow | null }[]>`
    select id, price_in_force(id, ${clientId}, ${timestamp(atMs)}) as price
    from unnest(${resourceIds as string[]}::text[]) as id`
  return pricesFromRows(Object.fromEntries(rows.map(({ id, price }) => [id, price])))
}

async function one<T>(sql: Queries, kind: DefinitionKind, id: string): Promise<T | null> {
  const [row] = await sql<{ definition: T }[]>`select definition from ${identifier(kind)} where id = ${id}`
  return row?.definition ?? null
}

async function all<T>(sql: Queries, kind: DefinitionKind): Promise<readonly T[]> {
  const rows = await sql<{ definition: T }[]>`select definition from ${identifier(kind)} order by id`
  return rows.map(({ definition }) => definition)
}
