// What an operator configures, one object at a time.

import * as deletion from '../../activities/ledger/delete-object.ts'
import { putClient } from '../../activities/ledger/put-client.ts'
import { putResource } from '../../activities/ledger/put-resource.ts'
import { putTemplate } from '../../activities/ledger/put-template.ts'
import { putTier } from '../../activities/ledger/put-tier.ts'
import { putWorker } from '../../activities/ledger/put-worker.ts'
import * as stored from '../../activities/ledger/read-config.ts'
import { budgetsOf } from '../../activities/ledger/read-budgets.ts'
import { concurrencyOf } from '../../domain/client.ts'
import type { Refusal } from '../../domain/failure.ts'
import { budgetFrom, budgetTo } from '../convert/budget.ts'
import * as convert from '../convert/config.ts'
import { Problem } from '../problem.ts'
import type { Route } from '../route.ts'
import * as schemas from '../schema/config.ts'
import * as p from '../schema/primitives.ts'
import { objectRoutes } from './objects.ts'

const resources = objectRoutes({
  name: 'resource',
  path: '/admin/resources/{id}',
  id: p.id,
  schema: schemas.resource,
  problems: [],
  async read({ sql }, id) {
    const resource = await stored.readResource(sql, id)
    return resource === null ? null : convert.resourceTo(resource)
  },
  put: ({ sql }, body, { id, actor }) => putResource(sql, convert.resourceFrom(id, body), actor),
  remove: ({ sql }, { id, actor }) => deletion.deleteResource(sql, id, actor),
  forLimiter: async () => ({}),
})

const tiers = objectRoutes({
  name: 'tier',
  path: '/admin/tiers/{tier}',
  id: p.id,
  schema: schemas.tier,
  problems: ['conflict'],
  async read({ sql }, id) {
    const tier = await stored.readTier(sql, id)
    return tier === null ? null : convert.tierTo(tier)
  },
  put: ({ sql }, body, { id, actor }) => putTier(sql, convert.tierFrom(id, body), actor),
  remove: async ({ sql }, { id, actor }) =>
    unlessInUse(await deletion.deleteTier(sql, id, actor), `tier "${id}"`),
  forLimiter: async (_context, id, body) => (body === null ? { tiers: [id] } : {}),
})

const clients = objectRoutes({
  name: 'client',
  path: '/api/clients/{clientId}',
  id: p.clientId,
  schema: schemas.client,
  problems: ['conflict', 'unknown-tier', 'unknown-resource'],
  async read({ sql }, id) {
    const [client, budgets] = await Promise.all([stored.readClient(sql, id), budgetsOf(sql, id)])
    if (client === null) return null
    const { id: _, ...body } = client
    return { ...body, budgets: budgets.map(budgetTo) }
  },
  async put({ sql }, { budgets, ...body }, { id, actor }) {
    const own = budgets.map((budget) => budgetFrom(id, budget))
    return unlessRefused(await putClient(sql, { id, ...body }, own, actor))
  },
  remove: async ({ sql }, { id, actor }) =>
    unlessInUse(await deletion.deleteClient(sql, id, actor), `client "${id}"`),
  async forLimiter({ sql }, id, body) {
    if (body === null) return null
    const tier = await stored.readTier(sql, body.tier)
    const cap = tier === null ? body.maxConcurrent : concurrencyOf({ id, ...body }, tier)
    return { clients: { [id]: { tier: body.tier, maxConcurrent: cap } } }
  },
})

const templates = objectRoutes({
  name: 'template',
  path: '/api/templates/{name}',
  id: p.id,
  schema: schemas.template,
  problems: [],
  async read({ sql }, name) {
    const template = await stored.readTemplate(sql, name)
    return template === null ? null : convert.templateTo(template)
  },
  put: ({ sql }, body, { id, actor }) => putTemplate(sql, { name: id, ...body }, actor),
  remove: ({ sql }, { id, actor }) => deletion.deleteTemplate(sql, id, actor),
  forLimiter: null,
})

const workers = objectRoutes({
  name: 'worker',
  path: '/api/workers/{name}',
  id: p.id,
  schema: schemas.worker,
  problems: [],
  async read({ sql }, name) {
    const worker = await stored.readWorker(sql, name)
    return worker === null ? null : convert.workerTo(worker)
  },
  put: ({ sql }, body, { id, actor }) => putWorker(sql, convert.workerFrom(id, body), actor),
  remove: ({ sql }, { id, actor }) => deletion.deleteWorker(sql, id, actor),
  forLimiter: null,
})

function unlessInUse(removed: deletion.Removed | 'in-use', what: string): deletion.Removed {
  if (removed === 'in-use') throw new Problem('conflict', `the ${what} is in use`)
  return removed
}

export function unlessRefused<T extends object>(stored: T | { readonly refusal: Refusal }): T {
  if (!('refusal' in stored)) return stored
  const { code, detail, members } = stored.refusal
  throw new Problem(code, detail, { members })
}

export const configRoutes: readonly Route[] = [...resources, ...tiers, ...clients, ...templates, ...workers]
