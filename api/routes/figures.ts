// What is left and how long it takes: answered from the limiter's published state, never by asking it.

import { z } from 'zod'
import { averageWaits } from '../../activities/ledger/queue-status.ts'
import { readClient, readTier } from '../../activities/ledger/read-config.ts'
import { concurrencyOf } from '../../domain/client.ts'
import { toDemand } from '../../domain/resource.ts'
import {
  availability,
  check,
  queues,
  type Availability,
  type Check,
  type Queues,
} from '../../limiter/view.ts'
import { nowMs, type ApiContext } from '../context.ts'
import { refusalOfRejection } from '../../limiter/refusal.ts'
import { blockingTo } from '../convert/blocking.ts'
import { toIso, toIsoOrNull } from '../convert/time.ts'
import { mustActFor } from '../keys.ts'
import { notFound, Problem } from '../problem.ts'
import { route, type Route } from '../route.ts'
import * as figures from '../schema/figures.ts'
import * as p from '../schema/primitives.ts'
import { check as checkBody } from '../schema/requests.ts'

const getAvailability = route({
  method: 'get',
  path: '/api/resources/availability',
  scopes: ['read', 'execute', 'internal'],
  summary: 'What is left of each resource, at most a second old',
  query: z.strictObject({ id: p.id.optional() }),
  problems: ['not-found'],
  answers: { 200: figures.availability },
  async handle({ context, query }) {
    const atMs = nowMs(context)
    const state = await context.limiterView()
    const found = availability(state, atMs, query.id ?? null)
    if (query.id !== undefined && found.length === 0) throw notFound('resource', query.id)
    return { status: 200, body: { asOf: toIso(atMs), resources: found.map(availabilityTo) } }
  },
})

function availabilityTo({ closedUntilMs, limits, pools, ...rest }: Availability) {
  return {
    ...rest,
    pools: Object.fromEntries(
      Object.entries(pools).map(([name, { available, limits }]) => [
        name,
        { available, limits: limits.map(limitTo) },
      ]),
    ),
    limits: limits.map(limitTo),
    closedUntil: toIsoOrNull(closedUntilMs),
  }
}

function limitTo<View extends { readonly resetsAtMs: number | null }>({ resetsAtMs, ...limit }: View) {
  return { ...limit, resetsAt: toIsoOrNull(resetsAtMs) }
}

const postCheck = route({
  method: 'post',
  path: '/api/resources/check',
  scopes: ['read', 'execute', 'internal'],
  summary: 'Would it start now, and if not, what is in its way; consumes nothing',
  body: checkBody,
  problems: ['unknown-client', 'unknown-resource', 'impossible'],
  answers: { 200: figures.checked },
  async handle({ context, caller, body }) {
    mustActFor(caller, body.clientId)
    const asked = await checkNow(context, body)
    if (asked.impossible !== null) {
      const { code, detail, members } = refusalOfRejection(asked.impossible)
      throw new Problem(code, detail, { members })
    }
    const { fitsNow, waitMs, blocking } = asked
    return {
      status: 200,
      body: { available: fitsNow, waitMs, blocking: blocking === null ? null : blockingTo(blocking) },
    }
  },
})

async function checkNow(context: ApiContext, body: z.infer<typeof checkBody>): Promise<Check> {
  const { clientId, urgency, resources } = body
  const client = await readClient(context.sql, clientId)
  if (client === null) throw new Problem('unknown-client', `there is no client "${clientId}"`)
  const tier = await readTier(context.sql, client.tier)
  const question = {
    clientId,
    urgency,
    tier: client.tier,
    maxConcurrent: tier === null ? client.maxConcurrent : concurrencyOf(client, tier),
    demand: toDemand(resources),
  }
  return check(await context.limiterView(), question, nowMs(context))
}

const getQueueStatus = route({
  method: 'get',
  path: '/api/queue/status',
  scopes: ['read', 'execute', 'internal'],
  summary: 'Depth, oldest age and average wait per queue class and per resource',
  answers: { 200: figures.queueStatus },
  async handle({ context }) {
    const atMs = nowMs(context)
    const state = await context.limiterView()
    const { resources, classes } = queues(state, atMs)
    const waits = await averageWaits(context.sql, atMs)
    const body = {
      asOf: toIso(atMs),
      paused: state.paused,
      classes: figures.QUEUE_CLASSES.map((queueClass) => ({
        queueClass,
        ...depthTo(classes[queueClass], waits.classes[queueClass]),
      })),
      resources: Object.entries(resources).map(([id, depth]) => ({
        id,
        ...depthTo(depth, waits.resources[id]),
      })),
    }
    return { status: 200, body }
  },
})

/** Ages are of those who wait; the average wait is of those who were granted within the last hour. */
function depthTo({ depth, oldestAgeMs }: Queues['classes']['fast'], averageWaitMs: number | undefined) {
  return { depth, oldestAgeMs: depth === 0 ? null : oldestAgeMs, averageWaitMs: averageWaitMs ?? null }
}

export const figureRoutes: readonly Route[] = [getAvailability, postCheck, getQueueStatus]
