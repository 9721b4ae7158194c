// Budgets of a scope: any node of global > client > session > swarm > run > step.

import { z } from 'zod'
import { getBudgets } from '../../activities/ledger/get-budgets.ts'
import { putBudgets } from '../../activities/ledger/put-budgets.ts'
import type { ApiContext } from '../context.ts'
import { nowMs } from '../context.ts'
import { budgetFrom, standingTo } from '../convert/config.ts'
import { mustActFor, mustActForAll } from '../keys.ts'
import { route, type Route } from '../route.ts'
import * as schemas from '../schema/config.ts'
import { budgetStanding } from '../schema/figures.ts'
import * as p from '../schema/primitives.ts'
import { unlessRefused } from './config.ts'

const params = z.strictObject({ scopePath: p.scopePath })
const standings = z.array(budgetStanding).meta({ id: 'BudgetStandings' })

/** The list by itself, or as the member that a client has. */
const body = z
  .preprocess(
    (value) => (Array.isArray(value) ? { budgets: value } : value),
    z.strictObject({ budgets: schemas.budgets }),
  )
  .meta({ id: 'Budgets' })

const put = route({
  method: 'put',
  path: '/api/budgets/{scopePath}',
  scopes: ['admin'],
  summary: 'Replace the budgets of a scope; what was used is kept',
  params,
  body,
  problems: ['unknown-resource'],
  answers: { 200: standings, 201: standings },
  async handle({ context, caller, params, body }) {
    mustActForAll(caller)
    const { scopePath } = params
    const budgets = body.budgets.map((budget) => budgetFrom(scopePath, budget))
    const { version, created } = unlessRefused(
      await putBudgets(context.sql, scopePath, budgets, caller.keyId),
    )
    const headers = { etag: `"${version}"` }
    return { status: created ? 201 : 200, body: await standingsOf(context, scopePath), headers }
  },
})

const get = route({
  method: 'get',
  path: '/api/budgets/{scopePath}',
  scopes: ['read', 'admin'],
  summary: 'The budgets of a scope in their current periods',
  params,
  answers: { 200: standings },
  async handle({ context, caller, params }) {
    mustActFor(caller, params.scopePath.split('/')[0] ?? '')
    return { status: 200, body: await standingsOf(context, params.scopePath) }
  },
})

async function standingsOf(context: ApiContext, scopePath: string) {
  return (await getBudgets(context.sql, scopePath, nowMs(context))).map(standingTo)
}

export const budgetRoutes: readonly Route[] = [get, put]
