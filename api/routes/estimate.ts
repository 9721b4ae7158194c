// What a request would need and cost: judged by the rules of admission, with its facts, and nothing held.

import { z } from 'zod'
import type { Queries } from '../../activities/ledger/database.ts'
import { pricesAt } from '../../activities/ledger/read-config.ts'
import { readFacts } from '../../activities/ledger/read-facts.ts'
import type { ExecutionAsk } from '../../domain/ask.ts'
import type { Facts } from '../../domain/admit.ts'
import { boundsOf, estimateOf } from '../../domain/estimate.ts'
import type { Refusal } from '../../domain/failure.ts'
import { formatUsd } from '../../domain/money.ts'
import { priceDemand, type CostLine, type Prices } from '../../domain/price.ts'
import * as refusals from '../../domain/refusals.ts'
import { fromDemand, type Demand } from '../../domain/resource.ts'
import { declaredOutput } from '../../domain/tokens.ts'
import { nowMs, type ApiContext } from '../context.ts'
import { estimateAsk } from '../convert/ask.ts'
import { toIso } from '../convert/time.ts'
import { mustActFor, type Caller } from '../keys.ts'
import { Problem } from '../problem.ts'
import { route, type Route } from '../route.ts'
import { costEstimate } from '../schema/figures.ts'
import * as p from '../schema/primitives.ts'
import { estimate as estimateBody, type EstimateBody } from '../schema/requests.ts'

const PROBLEMS = ['unknown-resource', 'unknown-price', 'unknown-template', 'unknown-worker'] as const
const READERS = ['read', 'execute', 'internal'] as const

const postEstimate = (path: string) =>
  route({
    method: 'post',
    path,
    scopes: READERS,
    summary: 'What a request would need and cost by the prices of now',
    body: estimateBody,
    problems: PROBLEMS,
    answers: { 200: costEstimate },
    handle: async ({ context, caller, body }) => ({
      status: 200,
      body: await estimated(context, caller, body),
    }),
  })

const getEstimate = route({
  method: 'get',
  path: '/api/cost/estimate',
  scopes: READERS,
  summary: 'The same for a worker or a template',
  query: z.strictObject({
    clientId: p.clientId.optional(),
    template: p.id.optional(),
    worker: p.id.optional(),
  }),
  problems: PROBLEMS,
  answers: { 200: costEstimate },
  async handle({ context, caller, query }) {
    const { template = null, worker = null } = query
    if (template === null && worker === null) {
      throw new Problem('invalid-request', 'expected the parameter `template` or `worker`')
    }
    const body = { ...query, template, worker, resources: null, input: null }
    return { status: 200, body: await estimated(context, caller, body) }
  },
})

async function estimated(context: ApiContext, caller: Caller, body: EstimateBody) {
  // A client's own prices are nobody else's business.
  if (body.clientId !== undefined) mustActFor(caller, body.clientId)
  const { sql, tokens } = context
  const atMs = nowMs(context)
  const counted = await tokens.countAsked(body)
  const ask = estimateAsk(body, counted?.tokens ?? null)
  const facts = await factsOf(sql, ask, atMs)
  mustBeKnown(ask, facts)
  const { demand, from } = estimateOf(ask, facts, { clientId: ask.clientId, urgency: ask.urgency })
  const { least, most } = boundsOf(ask, facts, demand)
  const ids = [...new Set([...demand, ...most].map(([id]) => id))]
  const prices = await pricesAt(sql, ids, { clientId: ask.clientId, atMs })
  const cost = (demand: Demand) => pricedOrThrow(demand, prices, atMs)
  const expected = cost(demand)
  return {
    resources: fromDemand(demand),
    from,
    inputTokens: counted,
    declaredOutputTokens: ask.resources === null ? declaredOutput(ask.input) : null,
    minUsd: formatUsd(cost(least).totalNanoUsd),
    expectedUsd: formatUsd(expected.totalNanoUsd),
    maxUsd: formatUsd(cost(most).totalNanoUsd),
    lines: expected.lines.map((line) => lineTo(line, prices)),
    learned: { ...facts.learned },
  }
}

async function factsOf(sql: Queries, ask: ExecutionAsk, atMs: number): Promise<Facts> {
  const [found] = await readFacts(sql, [{ ask, atMs }])
  if (found === undefined) throw new Error('there are no facts of an ask')
  return found.facts
}

/** Throws the refusal that admission would give to the names. */
function mustBeKnown(ask: ExecutionAsk, { template, worker, resources }: Facts): void {
  if (ask.template !== null && template === null) throw refused(refusals.unknown('template', ask.template))
  const name = ask.worker ?? template?.worker ?? null
  if (name !== null && worker === null) throw refused(refusals.unknown('worker', name))
  const stated = ask.resources ?? template?.resources ?? worker?.typical ?? {}
  const missing = Object.keys(stated).find((id) => resources[id] === undefined)
  if (missing !== undefined) throw refused(refusals.unknown('resource', missing))
}

function pricedOrThrow(demand: Demand, prices: Prices, atMs: number) {
  const priced = priceDemand(demand, prices, { atMs, freeUnits: {} })
  if (priced.kind === 'unknown-price') throw refused(refusals.unknownPrice(priced.resourceId))
  return priced
}

function lineTo({ item, units, perUnitUsd, costNanoUsd }: CostLine, prices: Prices) {
  const { source = '', effectiveFromMs = 0 } = prices[item] ?? {}
  return {
    resource: item,
    units: units ?? 0,
    perUnitUsd: perUnitUsd ?? '0',
    costUsd: formatUsd(costNanoUsd),
    source,
    effectiveFrom: toIso(effectiveFromMs),
  }
}

function refused({ code, detail, members }: Refusal): Problem {
  return new Problem(code, detail, { members })
}

export const estimateRoutes: readonly Route[] = [
  getEstimate,
  postEstimate('/api/cost/estimate'),
  postEstimate('/api/resources/estimate'),
]
