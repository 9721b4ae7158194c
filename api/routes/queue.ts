// The queue: joining it, looking at one's place, leaving it, being moved in it.

import { z } from 'zod'
import { readBrief, type RequestBrief } from '../../activities/ledger/read-request.ts'
import { reservationKey } from '../../domain/admission.ts'
import { isFinal } from '../../domain/request.ts'
import { nowMs, type ApiContext } from '../context.ts'
import { blockingTo } from '../convert/blocking.ts'
import { acceptedTo, requestPath, standingOf, stateTo } from '../convert/request.ts'
import { toIsoOrNull } from '../convert/time.ts'
import { overTemporal, problemFrom } from '../faults.ts'
import { mustActFor, mustActForAll, type Caller } from '../keys.ts'
import { leaveQueue } from '../leave-queue.ts'
import { notFound, Problem, PROBLEMS } from '../problem.ts'
import { route, type Route } from '../route.ts'
import * as answers from '../schema/answers.ts'
import { queuePosition } from '../schema/figures.ts'
import * as p from '../schema/primitives.ts'
import * as requests from '../schema/requests.ts'
import { askToStop } from '../stop.ts'
import { EXECUTION_PROBLEMS, submitted } from './execute.ts'

const params = z.strictObject({ id: p.id })
/** How long the answer waits for the place in the queue. */
const PLACE_TIMEOUT_MS = 2_000

const getPosition = route({
  method: 'get',
  path: '/api/queue/position/{id}',
  scopes: ['read', 'execute', 'internal'],
  summary: 'Place, expected start and what it waits for',
  params,
  problems: ['not-found'],
  answers: { 200: queuePosition },
  async handle({ context, caller, params }) {
    const record = await requestOrThrow(context, caller, params.id)
    const { queueClass, position, etaMs, waitingFor } = await standingOf(context, record)
    const body = {
      requestId: record.id,
      state: stateTo(record),
      queue: queueClass,
      queueClass,
      position,
      estimatedStart: toIsoOrNull(etaMs),
      waitingFor: waitingFor === null ? null : blockingTo(waitingFor),
    }
    return { status: 200, body }
  },
})

const postEnqueue = route({
  method: 'post',
  path: '/api/queue/enqueue',
  scopes: ['execute'],
  summary: 'As POST /api/execute, answered once it has its place',
  headers: ['Idempotency-Key'],
  body: requests.execute,
  problems: EXECUTION_PROBLEMS,
  answers: { 202: answers.enqueued },
  async handle(call) {
    const { context } = call
    const { record, isReplay } = await submitted(call)
    const placed = await placedOf(context, record)
    const accepted = acceptedTo(context, placed, await standingOf(context, placed))
    const headers = { location: requestPath(record.id), ...(isReplay && { 'idempotent-replayed': 'true' }) }
    return { status: 202, body: { ...accepted, queue: accepted.queueClass }, headers }
  },
})

/** The request once the limiter has placed it, or as it is after a while. */
async function placedOf(context: ApiContext, record: RequestBrief): Promise<RequestBrief> {
  let latest = record
  const placed = async () => {
    latest = (await readBrief(context.sql, record.id, nowMs(context))) ?? latest
    return latest.state !== 'waiting' || latest.position !== null ? latest : null
  }
  return (await context.announcements.waitFor(record.id, placed, PLACE_TIMEOUT_MS)) ?? latest
}

const removeFromQueue = route({
  method: 'delete',
  path: '/api/queue/{id}',
  scopes: ['execute', 'internal'],
  summary: 'Leave the queue; only while it waits',
  params,
  problems: ['not-found', 'conflict'],
  answers: { 200: answers.cancelled },
  async handle({ context, caller, params }) {
    const record = await leaveQueue(context, await requestOrThrow(context, caller, params.id))
    return { status: 200, body: { requestId: record.id, state: stateTo(record) } }
  },
})

const postBoost = route({
  method: 'post',
  path: '/internal/queue/priority-boost',
  scopes: ['internal'],
  summary: 'Add points to the priority of what waits; negative ones take away',
  body: requests.boost,
  problems: ['not-found', 'conflict'],
  answers: { 200: answers.boosted },
  async handle({ context, caller, body }) {
    mustActForAll(caller)
    await boost(context, await requestOrThrow(context, caller, body.requestId), body.points)
    return { status: 200, body }
  },
})

const postBatch = route({
  method: 'post',
  path: '/internal/queue/batch',
  scopes: ['internal'],
  summary: 'Several operations on the queue, one result each, in order',
  body: requests.batch,
  answers: { 200: answers.batchResult },
  async handle({ context, caller, body }) {
    const results = []
    for (const operation of body.operations) results.push(await operate(context, caller, operation))
    return { status: 200, body: { results } }
  },
})

type Operation = z.infer<typeof requests.batch>['operations'][number]

async function operate(context: ApiContext, caller: Caller, operation: Operation) {
  const { op, requestId } = operation
  try {
    const record = await requestOrThrow(context, caller, requestId)
    if (operation.op === 'boost') {
      mustActForAll(caller)
      await boost(context, record, operation.points)
    } else if (!isFinal(record.state)) await askToStop(context, record)
    const status = op === 'cancel' && !isFinal(record.state) ? 202 : 200
    return { op, requestId, status, code: null, detail: null, state: stateTo(record) }
  } catch (error) {
    const { code, message } = problemFrom(error)
    return { op, requestId, status: PROBLEMS[code].status, code, detail: message, state: null }
  }
}

async function boost(
  { operations }: ApiContext,
  { id, state, generation }: RequestBrief,
  points: number,
): Promise<void> {
  if (state !== 'waiting') {
    throw new Problem('conflict', `"${id}" is ${state} and does not wait`, {
      members: { requestId: id, state },
    })
  }
  await overTemporal(() => operations.send({ kind: 'boost', id: reservationKey(id, generation), points }), id)
}

async function requestOrThrow(context: ApiContext, caller: Caller, id: string): Promise<RequestBrief> {
  const record = await readBrief(context.sql, id, nowMs(context))
  if (record === null) throw notFound('request', id)
  mustActFor(caller, record.clientId)
  return record
}

export const queueRoutes: readonly Route[] = [getPosition, postEnqueue, removeFromQueue, postBoost, postBatch]
