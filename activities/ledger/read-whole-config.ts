// The whole configuration with its version, from one moment.

import type { Catalogue } from '../../domain/catalogue.ts'
import type { Price } from '../../domain/price.ts'
import { budgetJson } from './budget-json.ts'
import type { Queries, Sql } from './database.ts'
import * as read from './read-config.ts'
import { budgetFromRow, type BudgetRow } from './rows.ts'
import { timestamp } from './statement.ts'

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
    sql<{ budget: BudgetRow }[]>`
      select ${budgetJson(sql, timestamp(0))} as budget
      from budget b where b.is_active and b.source = 'own' order by b.depth, b.scope, b.unit, b.period, b.window_ms`,
  ])
  const catalogue = {
    resources,
    tiers,
    clients,
    templates,
    workers,
    budgets: budgets.map(({ budget }) => budgetFromRow(budget)),
    prices: prices.map(({ id: _, ...price }: Price) => price),
  }
  return { version, catalogue }
}
