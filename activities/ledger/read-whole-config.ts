// The whole configuration with its version, from one moment.

import type { Catalogue } from '../../domain/catalogue.ts'
import type { Price } from '../../domain/price.ts'
import type { Queries, Sql } from './database.ts'
import * as read from './read-config.ts'
import { budgetFromRow, type BudgetRow } from './rows.ts'

export type WholeConfig = { readonly version: number; readonly catalogue: Catalogue }

export async function readWholeConfig(sql: Sql): Promise<WholeConfig> {
  return await sql.begin(readAll, 'isolation level repeatable read read only')
}

export async function readAll(sql: Queries): Promise<WholeConfig> {
  const [version, resources, tiers, clients, templates, workers, prices, budgets] = await Promise.all([
    read.configVersion(sql),
    read.listResources(sql),
    read.listTiers(sql),
    read.listClients(sql),
    read.listTemplates(sql),
    read.listWorkers(sql),
    read.listPrices(sql, null),
    sql<BudgetRow[]>`
      select id, scope, depth, unit, period, timezone, source, amount, enforcement, grace_ms,
             overage_multiplier, overage_max
      from budget where is_active order by depth, scope, unit, period`,
  ])
  const catalogue = {
    resources,
    tiers,
    clients,
    templates,
    workers,
    budgets: budgets.map((row) => budgetFromRow(row)),
    prices: prices.map(({ id: _, ...price }: Price) => price),
  }
  return { version, catalogue }
}
