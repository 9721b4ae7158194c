// Executions by a worker: asked for, looked at, listed, cancelled.

import { z } from 'zod'
import { listRequests } from '../../activities/ledger/list-requests.ts'
import {
  readBrief,
  readRequest,
  type RequestBrief,
  type RequestRecord,
} from '../../activities/ledger/read-request.ts'
import { isFinal } from '../../domain/request.ts'
import { nowMs, type ApiContext } from '../context.ts'
import { executionAsk } from '../convert/ask.ts'
import { acceptedTo, executionTo, requestPath, listedTo, standingOf } from '../convert/request.ts'
import { cursorFrom, cursorTo, nextLink } from '../page.ts'
import { bodyHash, idOf } from '../idempotency.ts'
import { mustActFor, type Caller } from '../keys.ts'
import { notFound } from '../problem.ts'
import { route, type Call, type Route } from '../route.ts'
import * as answers from '../schema/answers.ts'
import * as p from '../schema/primitives.ts'
import * as requests from '../schema/requests.ts'
import { askToStop } from '../stop.ts'
import { submit, type Submitted } from '../submit.ts'
import { preferredWaitMs } from '../wait.ts'

export const requestParams = z.strictObject({ id: p.id })

/** Admission's ways to say no. */
export const ADMISSION_PROBLEMS = [
  'idempotency-mismatch',
  'budget-exceeded',
  'impossible',
  'unknown-client',
  'unknown-tier',
  'unknown-resource',
  'unknown-price',
  'insufficient-resources',
  'queue-full',
] as const
export const EXECUTION_PROBLEMS = [
  ...ADMISSION_PROBLEMS,
  'unknown-template',
  'unknown-worker',
  'cost-limit',
] as const

const postExecute = route({
  method: 'post',
  path: '/api/execute',
  scopes: ['execute'],
  summary: 'Have a worker do it; answered after admission',
  headers: ['Idempotency-Key', 'Prefer'],
  body: requests.execute,
  problems: EXECUTION_PROBLEMS,
  answers: { 200: answers.execution, 202: answers.accepted },
  async handle(call) {
    const { context, request } = call
    const { record, isReplay } = await submitted(call)
    const headers = { location: requestPath(record.id), ...(isReplay && { 'idempotent-replayed': 'true' }) }
    const ended = await endOf(context, record, preferredWaitMs(request))
    if (ended !== null) {
      const applied = { ...headers, 'preference-applied': 'wait' }
      return { status: 200, body: await executionOf(context, ended), headers: applied }
    }
    return { status: 202, body: acceptedTo(context, record, await standingOf(context, record)), headers }
  },
})

/** Parse, then `submit`: shared by the two routes that take this body. */
export async function submitted(call: Call<unknown, unknown, requests.ExecuteBody>): Promise<Submitted> {
  const { context, caller, body, rawBody, request } = call
  mustActFor(caller, body.clientId)
  const id = idOf(request, { member: 'requestId', given: body.requestId })
  const inputTokens = (await context.tokens.countAsked(body))?.tokens ?? null
  const identity = { id, bodyHash: bodyHash(rawBody, { member: 'requestId' }), inputTokens }
  return await submit(context, executionAsk(body, identity))
}

/** The request once it has ended within `waitMs`, else null. */
async function endOf(
  context: ApiContext,
  { id }: RequestBrief,
  waitMs: number,
): Promise<RequestRecord | null> {
  if (waitMs === 0) return null
  const ended = async () => {
    const record = await readBrief(context.sql, id, nowMs(context))
    return record !== null && isFinal(record.state) ? record : null
  }
  const isEnded = (await context.announcements.waitFor(id, ended, waitMs)) !== null
  return isEnded ? await readRequest(context.sql, id, nowMs(context)) : null
}

const getExecution = route({
  method: 'get',
  path: '/api/execution/{id}',
  scopes: ['execute', 'read'],
  summary: 'State, place, cost, timeline',
  params: requestParams,
  problems: ['not-found'],
  answers: { 200: answers.execution },
  async handle({ context, caller, params }) {
    const record = await executionOrThrow(context, caller, params.id)
    return { status: 200, body: await executionOf(context, record) }
  },
})

async function executionOf(context: ApiContext, record: RequestRecord) {
  return executionTo(context, record, await standingOf(context, record))
}

export async function executionOrThrow(
  context: ApiContext,
  caller: Caller,
  id: string,
): Promise<RequestRecord> {
  const record = await readRequest(context.sql, id, nowMs(context))
  if (record === null || record.kind !== 'execution') throw notFound('request', id)
  mustActFor(caller, record.clientId)
  return record
}

const postCancel = route({
  method: 'post',
  path: '/api/execution/{id}/cancel',
  scopes: ['execute'],
  summary: 'Stop it, whatever its state; 200 where it had ended',
  params: requestParams,
  body: requests.cancel.optional(),
  problems: ['not-found'],
  answers: { 200: answers.cancelled, 202: answers.cancelled },
  async handle({ context, caller, params }) {
    const record = await executionOrThrow(context, caller, params.id)
    const body = { requestId: record.id, state: record.state }
    if (isFinal(record.state)) return { status: 200, body }
    await askToStop(context, record)
    return { status: 202, body, headers: { location: requestPath(record.id) } }
  },
})

const getExecutions = route({
  method: 'get',
  path: '/api/executions',
  scopes: ['execute', 'read'],
  summary: 'Executions, the newest first',
  query: requests.executionsQuery,
  answers: { 200: answers.executions },
  async handle({ context, caller, query, request }) {
    const clientId = query.clientId ?? caller.clientId
    if (clientId !== null) mustActFor(caller, clientId)
    const { state = null, limit } = query
    const filter = { kind: 'execution', clientId, state, after: cursorFrom(query.cursor), limit } as const
    const { items, next } = await listRequests(context.sql, filter, nowMs(context))
    const cursor = next === null ? null : cursorTo(next)
    return { status: 200, body: { items: items.map(listedTo), cursor }, headers: nextLink(request, cursor) }
  },
})

export const executeRoutes: readonly Route[] = [postExecute, getExecution, postCancel, getExecutions]
