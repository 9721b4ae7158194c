// The whole configuration between the wire and the domain.

import type { Catalogue } from '../../domain/catalogue.ts'
import type { WholeConfigBody } from '../schema/config.ts'
import { budgetFrom, budgetTo } from './budget.ts'
import * as convert from './config.ts'
import { priceFrom, priceTo } from './price.ts'

/** A price without a date applies from `atMs`. Budgets of a client and of its scope are one list. */
export function catalogueFrom(body: WholeConfigBody, atMs: number): Catalogue {
  const entries = Object.entries
  return {
    resources: entries(body.resources).map(([id, resource]) => convert.resourceFrom(id, resource)),
    tiers: entries(body.tiers).map(([id, tier]) => convert.tierFrom(id, tier)),
    clients: entries(body.clients).map(([id, { budgets: _, ...client }]) => ({ id, ...client })),
    templates: entries(body.templates).map(([name, template]) => ({ name, ...template })),
    workers: entries(body.workers).map(([name, worker]) => convert.workerFrom(name, worker)),
    budgets: [
      ...entries(body.clients).flatMap(([id, { budgets }]) => budgets.map((one) => budgetFrom(id, one))),
      ...entries(body.budgets).flatMap(([scope, list]) => list.map((one) => budgetFrom(scope, one))),
    ],
    prices: entries(body.prices).flatMap(([resourceId, prices]) =>
      prices.map((price) => priceFrom(resourceId, price, atMs)),
    ),
  }
}

/** Budgets of a client's own scope are told with the client. */
export function catalogueTo(catalogue: Catalogue): WholeConfigBody {
  const clients = new Set(catalogue.clients.map(({ id }) => id))
  const ofScopes = catalogue.budgets.filter(({ scope }) => !clients.has(scope))
  const ofClient = (id: string) => catalogue.budgets.filter(({ scope }) => scope === id).map(budgetTo)
  return {
    resources: byKey(catalogue.resources, ({ id }) => id, convert.resourceTo),
    tiers: byKey(catalogue.tiers, ({ id }) => id, convert.tierTo),
    clients: byKey(
      catalogue.clients,
      ({ id }) => id,
      ({ id, ...client }) => ({ ...client, budgets: ofClient(id) }),
    ),
    budgets: grouped(ofScopes, ({ scope }) => scope, budgetTo),
    templates: byKey(catalogue.templates, ({ name }) => name, convert.templateTo),
    workers: byKey(catalogue.workers, ({ name }) => name, convert.workerTo),
    prices: grouped(catalogue.prices, ({ resourceId }) => resourceId, priceTo),
  }
}

function byKey<T, B>(list: readonly T[], key: (one: T) => string, to: (one: T) => B): Record<string, B> {
  return Object.fromEntries(list.map((one) => [key(one), to(one)]))
}

function grouped<T, B>(list: readonly T[], key: (one: T) => string, to: (one: T) => B): Record<string, B[]> {
  const groups: Record<string, B[]> = {}
  for (const one of list) (groups[key(one)] ??= []).push(to(one))
  return groups
}
