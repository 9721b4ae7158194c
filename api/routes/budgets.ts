// Budgets of a scope: any node of global > client > session > swarm > run > step.
//
// U1  Only an operator gives more: an `admin` key that is bound to no client. Whoever else may write budgets lowers
//     them, carves parts out for the scopes below, and ends these.

import { z } from 'zod'
import { addToBudget } from '../../activities/ledger/add-to-budget.ts'
import { endScope } from '../../activities/ledger/end-scope.ts'
import { getBudgets } from '../../activities/ledger/get-budgets.ts'
import { putBudgets } from '../../activities/ledger/put-budgets.ts'
import { amountOf, mayNotRaise } from '../../domain/refusals.ts'
import { GLOBAL_SCOPE } from '../../domain/scope.ts'
import type { ApiContext } from '../context.ts'
import { nowMs } from '../context.ts'
import { additionFrom, budgetsFrom, standingTo } from '../convert/budget.ts'
import { bodyHash } from '../idempotency.ts'
import { mustActFor, type Caller } from '../keys.ts'
import { invalid, Problem } from '../problem.ts'
import { route, type Route } from '../route.ts'
import * as schemas from '../schema/budget.ts'
import { budgetStanding } from '../schema/figures.ts'
import * as p from '../schema/primitives.ts'
import { unlessRefused } from './config.ts'

const params = z.strictObject({ scopePath: p.scopePath })
const standings = z.array(budgetStanding).meta({ id: 'BudgetStandings' })

/** The list by itself, or as the member that a client has. */
const body = z
  .preprocess(
    (value) => (Array.isArray(value) ? { budgets: value } : value),
    z.strictObject({ budgets: schemas.scopeBudgets }),
  )
  .meta({ id: 'Budgets' })

const budgetAmount = z.union([p.usdTold, z.int()])
const ended = z
  .strictObject({
    scope: z.string(),
    returned: z.array(
      z.strictObject({
        scope: z.string(),
        unit: z.string(),
        amount: budgetAmount,
        stillHeld: budgetAmount.meta({ description: 'By requests that are open; it returns as they settle' }),
      }),
    ),
  })
  .meta({ id: 'ScopeEnded' })

const put = route({
  method: 'put',
  path: '/api/budgets/{scopePath}',
  scopes: ['admin', 'internal'],
  summary: 'Replace the budgets of a scope, carve-outs among them; what was used is kept',
  params,
  body,
  problems: ['unknown-resource', 'budget-exceeded', 'conflict'],
  answers: { 200: standings, 201: standings },
  async handle({ context, caller, params, body }) {
    const { scopePath } = params
    mustActFor(caller, clientOf(scopePath))
    const { budgets, carveOuts } = budgetsFrom(scopePath, body.budgets)
    for (const [nth, { carvedFrom }] of body.budgets.map(carving).entries()) {
      if (carvedFrom !== null && !isAbove(carvedFrom, scopePath)) {
        const detail = `expected a scope above "${scopePath}"`
        throw invalid([{ pointer: `/budgets/${nth}/carvedFrom`, detail }])
      }
    }
    const definition = { scope: scopePath, budgets, carveOuts }
    const { version, created } = unlessRefused(
      await putBudgets(context.sql, definition, writerOf(context, caller)),
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
    mustActFor(caller, clientOf(params.scopePath))
    return { status: 200, body: await standingsOf(context, params.scopePath) }
  },
})

const end = route({
  method: 'delete',
  path: '/api/budgets/{scopePath}',
  scopes: ['admin', 'internal'],
  summary: 'End a scope and all below it: what was carved out for them returns, their budgets go',
  params,
  answers: { 200: ended },
  async handle({ context, caller, params }) {
    const { scopePath } = params
    mustActFor(caller, clientOf(scopePath))
    const { lives } = unlessRefused(await endScope(context.sql, scopePath, writerOf(context, caller)))
    const returned = lives.map(({ scope, unit, returned: amount, stillHeld }) => ({
      scope,
      unit,
      amount: amountOf(unit, amount),
      stillHeld: amountOf(unit, stillHeld),
    }))
    return { status: 200, body: { scope: scopePath, returned } }
  },
})

const add = route({
  method: 'post',
  path: '/api/budgets/{scopePath}',
  scopes: ['admin'],
  summary: 'Add to a budget, once by the id: a temporary increase, a top-up, a credit',
  params,
  body: schemas.budgetAddition,
  problems: ['not-found', 'conflict', 'idempotency-mismatch'],
  answers: { 200: standings, 201: standings },
  async handle({ context, caller, params, body, rawBody }) {
    const { scopePath } = params
    if (!isOperator(caller)) {
      const { kind, amount, unit, period } = body
      const tried = `adds a ${kind} of ${amount} ${unit} to the ${period} budget of "${scopePath}"`
      const { code, detail, members } = mayNotRaise([tried])
      throw new Problem(code, detail, { members })
    }
    const contentHash = bodyHash([scopePath, rawBody], { member: 'requestId' })
    const by = { actor: caller.keyId, atMs: nowMs(context) }
    const { isReplay } = unlessRefused(
      await addToBudget(context.sql, additionFrom(scopePath, contentHash, body), by),
    )
    const headers: Record<string, string> = isReplay ? { 'idempotent-replayed': 'true' } : {}
    return { status: isReplay ? 200 : 201, body: await standingsOf(context, scopePath), headers }
  },
})

function carving(body: schemas.BudgetBody): { readonly carvedFrom: string | null } {
  return { carvedFrom: 'carvedFrom' in body ? (body.carvedFrom ?? null) : null }
}

function isAbove(scope: string, below: string): boolean {
  return below !== GLOBAL_SCOPE && (scope === GLOBAL_SCOPE || below.startsWith(`${scope}/`))
}

function isOperator({ scopes, clientId }: Caller): boolean {
  return scopes.includes('admin') && clientId === null
}

function writerOf(context: ApiContext, caller: Caller) {
  return { actor: caller.keyId, mayRaise: isOperator(caller), atMs: nowMs(context) }
}

function clientOf(scopePath: string): string {
  return scopePath.split('/')[0] ?? ''
}

async function standingsOf(context: ApiContext, scopePath: string) {
  return (await getBudgets(context.sql, scopePath, nowMs(context))).map(standingTo)
}

export const budgetRoutes: readonly Route[] = [get, put, end, add]
