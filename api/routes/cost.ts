// What a request cost, and what another would.

import { z } from 'zod'
import { costLines, type CostLineRecord } from '../../activities/ledger/read-cost.ts'
import { pricesAt, readResource, readTemplate, readWorker } from '../../activities/ledger/read-config.ts'
import { readRequest } from '../../activities/ledger/read-request.ts'
import { formatUsd } from '../../domain/money.ts'
import { priceDemand, WHOLE_COST, type Prices } from '../../domain/price.ts'
import { fromDemand, toDemand, type Demand } from '../../domain/resource.ts'
import * as refusals from '../../domain/refusals.ts'
import type { Refusal } from '../../domain/failure.ts'
import { nowMs, type ApiContext } from '../context.ts'
import { reservationState } from '../convert/request.ts'
import { toIso, toIsoOrNull } from '../convert/time.ts'
import { mustActFor } from '../keys.ts'
import { notFound, Problem } from '../problem.ts'
import { route, type Route } from '../route.ts'
import { costOfRequest } from '../schema/answers.ts'
import { costEstimate } from '../schema/figures.ts'
import * as p from '../schema/primitives.ts'
import { estimate as estimateBody } from '../schema/requests.ts'

type EstimateAsk = z.infer<typeof estimateBody>

const PROBLEMS = ['unknown-resource', 'unknown-price', 'unknown-template', 'unknown-worker'] as const
const READERS = ['read', 'execute', 'internal'] as const

const getCost = route({
  method: 'get',
  path: '/api/cost/{requestId}',
  scopes: READERS,
  summary: 'What it cost, line by line, with the price of each',
  params: z.strictObject({ requestId: p.id }),
  problems: ['not-found'],
  answers: { 200: costOfRequest },
  async handle({ context, caller, params }) {
    const { requestId } = params
    const record = await readRequest(context.sql, requestId, nowMs(context))
    if (record === null) throw notFound('request', requestId)
    mustActFor(caller, record.clientId)
    const { clientId, kind, state, actualNanoUsd } = record
    const body = {
      requestId,
      clientId,
      state: kind === 'reservation' ? reservationState(state) : state,
      estimatedUsd: formatUsd(record.estimatedNanoUsd),
      heldUsd: formatUsd(record.heldNanoUsd),
      actualUsd: actualNanoUsd === null ? null : formatUsd(actualNanoUsd),
      lines: (await costLines(context.sql, requestId)).map(lineTo),
    }
    return { status: 200, body }
  },
})

function lineTo({
  attempt,
  kind,
  item,
  units,
  freeUnits,
  costNanoUsd,
  perUnitUsd,
  source,
  effectiveFromMs,
}: CostLineRecord) {
  const resource = item === WHOLE_COST ? null : item
  const costUsd = formatUsd(costNanoUsd)
  const effectiveFrom = toIsoOrNull(effectiveFromMs)
  return {
    attempt,
    kind,
    resource,
    units,
    freeUnits,
    perUnitUsd,
    costUsd,
    source,
    effectiveFrom,
    assumed: kind === 'assumed',
  }
}

const postEstimate = (path: string) =>
  route({
    method: 'post',
    path,
    scopes: READERS,
    summary: 'What a request would need and cost by the prices of now',
    body: estimateBody,
    problems: PROBLEMS,
    answers: { 200: costEstimate },
    handle: async ({ context, body }) => ({ status: 200, body: await estimated(context, body) }),
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
  async handle({ context, query }) {
    const { template = null, worker = null } = query
    if (template === null && worker === null) {
      throw new Problem('invalid-request', 'expected the parameter `template` or `worker`')
    }
    return { status: 200, body: await estimated(context, { ...query, template, worker, resources: null }) }
  },
})

async function estimated(context: ApiContext, ask: EstimateAsk) {
  const { expected, most } = await demandsOf(context, ask)
  for (const [id] of [...expected, ...most]) {
    if ((await readResource(context.sql, id)) === null) throw refused(refusals.unknown('resource', id))
  }
  const ids = [...expected, ...most].map(([id]) => id)
  const atMs = nowMs(context)
  const prices = await pricesAt(context.sql, ids, { clientId: ask.clientId ?? null, atMs })
  const priced = pricedOrThrow(expected, prices, atMs)
  const expectedUsd = formatUsd(priced.totalNanoUsd)
  const maxUsd = formatUsd(pricedOrThrow(most, prices, atMs).totalNanoUsd)
  const lines = priced.lines.map(({ item, units, perUnitUsd, costNanoUsd }) => {
    const { source = '', effectiveFromMs = 0 } = prices[item] ?? {}
    const costUsd = formatUsd(costNanoUsd)
    return {
      resource: item,
      units: units ?? 0,
      perUnitUsd: perUnitUsd ?? '0',
      costUsd,
      source,
      effectiveFrom: toIso(effectiveFromMs),
    }
  })
  return { resources: fromDemand(expected), minUsd: expectedUsd, expectedUsd, maxUsd, lines }
}

/** Expected, and at most: as asked, else by the template, else by the worker. */
async function demandsOf({ sql }: ApiContext, ask: EstimateAsk): Promise<{ expected: Demand; most: Demand }> {
  const template = ask.template === null ? null : await readTemplate(sql, ask.template)
  if (ask.template !== null && template === null) throw refused(refusals.unknown('template', ask.template))
  const name = ask.worker ?? template?.worker ?? null
  const worker = name === null ? null : await readWorker(sql, name)
  if (name !== null && worker === null) throw refused(refusals.unknown('worker', name))
  const expected = toDemand(ask.resources ?? template?.resources ?? worker?.typical ?? {})
  const most: Record<string, number> = fromDemand(expected)
  if (ask.resources === null) {
    for (const [id, units] of Object.entries(worker?.maximum ?? {})) most[id] = Math.max(units, most[id] ?? 0)
  }
  return { expected, most: toDemand(most) }
}

function pricedOrThrow(demand: Demand, prices: Prices, atMs: number) {
  const priced = priceDemand(demand, prices, { atMs, freeUnits: {} })
  if (priced.kind === 'unknown-price') throw refused(refusals.unknownPrice(priced.resourceId))
  return priced
}

function refused({ code, detail, members }: Refusal): Problem {
  return new Problem(code, detail, { members })
}

export const costRoutes: readonly Route[] = [
  getEstimate,
  postEstimate('/api/cost/estimate'),
  postEstimate('/api/resources/estimate'),
  getCost,
]
