// What a holder or an asynchronous worker tells: how much so far, and how it ended.

import { isDeepStrictEqual } from 'node:util'
import { consume as consumeInLedger } from '../../activities/ledger/consume.ts'
import { readResource } from '../../activities/ledger/read-config.ts'
import { costLines } from '../../activities/ledger/read-cost.ts'
import { readAttempts } from '../../activities/ledger/read-attempts.ts'
import { recordAttempt } from '../../activities/ledger/record-attempt.ts'
import { readBrief, readRequest, type RequestBrief } from '../../activities/ledger/read-request.ts'
import { reservationKey } from '../../domain/admission.ts'
import { formatUsd } from '../../domain/money.ts'
import type { AttemptUse, Use } from '../../domain/report.ts'
import { isFinal } from '../../domain/request.ts'
import { fromDemand, usedOf } from '../../domain/resource.ts'
import type { LimiterOperation, WorkerResult } from '../../workflows/messages.ts'
import { nowMs, type ApiContext } from '../context.ts'
import { usdOrNull } from '../convert/ask.ts'
import { reservationState, stateTo } from '../convert/request.ts'
import { toIsoOrNull } from '../convert/time.ts'
import { overTemporal } from '../faults.ts'
import { bodyHash } from '../idempotency.ts'
import { mustActFor, type Caller } from '../keys.ts'
import { notFound, Problem, unavailable } from '../problem.ts'
import { release } from '../release.ts'
import { route, type Reply, type Route } from '../route.ts'
import * as answers from '../schema/answers.ts'
import * as requests from '../schema/requests.ts'
import { decided } from '../wait.ts'
import type { z } from 'zod'

type ReleaseBody = z.infer<typeof requests.release>
type ReleasedReply = Reply<z.input<typeof answers.released>>

const postRelease = route({
  method: 'post',
  path: '/internal/release',
  scopes: ['internal'],
  summary:
    'Settle a reservation, or post the result of an execution whose worker answered 202; twice is once',
  body: requests.release,
  problems: ['not-found', 'conflict', 'unknown-resource'],
  answers: { 200: answers.released, 202: answers.released },
  async handle({ context, caller, body, rawBody }) {
    const record = await heldOrThrow(context, caller, body.reservationId)
    if (record.kind === 'execution') return await postResult(context, record, body)
    await mustKnow(context, record, body.actual)
    return await settle(context, record, {
      ...body,
      contentHash: bodyHash(rawBody, { member: 'reservationId' }),
    })
  },
})

async function settle(
  context: ApiContext,
  { demand }: RequestBrief,
  body: ReleaseBody & { readonly contentHash: string },
): Promise<ReleasedReply> {
  const { reservationId, actual, outcome, contentHash } = body
  const costNanoUsd = usdOrNull(body.costUsd)
  const { released, left } = await release(context, {
    reservationId,
    actual,
    costNanoUsd,
    outcome,
    contentHash,
  })
  switch (released.kind) {
    case 'settled': {
      const { settled, late, replayed } = released
      const costUsd = formatUsd(released.costNanoUsd)
      return {
        status: 200,
        body: {
          reservationId,
          state: 'settled',
          settled: usedOf(settled, demand),
          costUsd,
          left: { ...left },
          late,
        },
        ...(replayed && { headers: { 'idempotent-replayed': 'true' } }),
      }
    }
    case 'held':
      return {
        status: 200,
        body: { reservationId, state: 'held', settled: {}, costUsd: '0', left: {}, late: false },
      }
    case 'conflict':
      throw new Problem('conflict', released.detail, { members: { requestId: reservationId } })
    case 'not-granted':
      throw notGranted(reservationId, reservationState(released.state))
    case 'unknown':
    case 'execution':
      throw notFound('reservation', reservationId)
    default:
      return released satisfies never
  }
}

/** The result goes to the request's workflow, which settles it. */
async function postResult(
  context: ApiContext,
  record: RequestBrief,
  body: ReleaseBody,
): Promise<ReleasedReply> {
  const { id, state } = record
  if (isFinal(state)) return await lateResult(context, record, body)
  if (state !== 'granted' && state !== 'executing') throw notGranted(id, state)
  const isTaken = await overTemporal(() => context.temporal.sendResult(id, resultOf(record, body)), id)
  if (!isTaken) throw notGranted(id, state)
  const settled = body.actual ?? fromDemand(record.demand)
  const costUsd = body.costUsd ?? formatUsd(record.estimatedNanoUsd)
  return {
    status: 202,
    body: { reservationId: id, state: 'accepted', settled, costUsd, left: {}, late: false },
  }
}

/** The request had ended: what was assumed is corrected, once; what was reported stays as it is. */
async function lateResult(
  context: ApiContext,
  record: RequestBrief,
  body: ReleaseBody,
): Promise<ReleasedReply> {
  const { id, state } = record
  const before = await readRequest(context.sql, id, nowMs(context))
  if (before === null || before.attempts === 0) throw notGranted(id, state)
  const { use } = resultOf(record, body)
  const isCorrected = use.kind !== 'unknown' && (await corrects(context, id, use))
  const after = (await readBrief(context.sql, id, nowMs(context))) ?? record
  const late = (await costLines(context.sql, id)).some(({ kind }) => kind === 'correction')
  const settled = usedOf(after.actual ?? [], after.demand)
  const costUsd = formatUsd(after.actualNanoUsd ?? after.estimatedNanoUsd)
  return {
    status: 200,
    body: { reservationId: id, state: 'settled', settled, costUsd, left: {}, late },
    ...(!isCorrected && { headers: { 'idempotent-replayed': 'true' } }),
  }
}

/** False where the use was told before. Throws `conflict` where nothing is open to it: all was told, and otherwise. */
async function corrects(
  context: ApiContext,
  requestId: string,
  use: Exclude<Use, { kind: 'unknown' }>,
): Promise<boolean> {
  const isTold = (attempts: readonly AttemptUse[]) =>
    attempts.some((attempt) => isDeepStrictEqual(attempt.use, use))
  const { sql } = context
  const attempts = await readAttempts(sql, requestId)
  if (isTold(attempts)) return false
  const open = attempts.findLast((attempt) => attempt.use.kind === 'unknown')
  if (open !== undefined) {
    const { kind } = await recordAttempt(sql, requestId, open.attempt, use, nowMs(context))
    if (kind === 'corrected') return true
    if (isTold(await readAttempts(sql, requestId))) return false
  }
  throw new Problem('conflict', `the use of "${requestId}" was told before, with another content`, {
    members: { requestId },
  })
}

function resultOf(
  record: RequestBrief,
  { actual, costUsd, outcome, output, error }: ReleaseBody,
): WorkerResult {
  const consumed = actual ?? fromDemand(record.demand)
  return {
    status: outcome === 'success' ? 'success' : 'failure',
    output,
    use:
      outcome === 'unknown'
        ? { kind: 'unknown' }
        : { kind: 'reported', consumed, costNanoUsd: usdOrNull(costUsd) },
    error: error ?? (outcome === 'success' ? null : `the worker ended with the outcome ${outcome}`),
  }
}

const postConsume = route({
  method: 'post',
  path: '/internal/consume',
  scopes: ['internal'],
  summary: 'The running total so far; renews the lease',
  body: requests.consume,
  problems: ['not-found', 'conflict', 'unknown-resource'],
  answers: { 200: answers.consumed },
  async handle({ context, caller, body }) {
    const { reservationId, extendMs } = body
    const record = await heldOrThrow(context, caller, reservationId)
    await mustKnow(context, record, body.consumed)
    const consumption = {
      reservationId,
      consumed: body.consumed,
      costNanoUsd: usdOrNull(body.costUsd),
      extendMs,
    }
    const told = await consumeInLedger(context.sql, consumption, nowMs(context))
    if (told.kind === 'unknown') throw notFound('reservation', reservationId)
    if (told.kind === 'not-granted') throw notGranted(reservationId, reservationState(told.state))
    const { generation, leaseMs, used } = told
    const id = reservationKey(reservationId, generation)
    const renewed = await renewedOrThrow(context, record, { kind: 'extend', id, leaseMs, used })
    const state = told.requestKind === 'reservation' ? 'granted' : renewed.state
    const expiresAt = toIsoOrNull(renewed.expiresAtMs)
    return { status: 200, body: { reservationId, state, consumed: fromDemand(used), expiresAt } }
  },
})

/** What holds the grant once the limiter has renewed its lease: what is told is there. */
async function renewedOrThrow(
  context: ApiContext,
  { id, expiresAtMs }: RequestBrief,
  extend: Extract<LimiterOperation, { kind: 'extend' }>,
): Promise<RequestBrief> {
  const renewed = await decided(context, id, {
    act: () => overTemporal(() => context.operations.send(extend), id),
    read: async () => {
      const record = await readBrief(context.sql, id, nowMs(context))
      const isDecided = record !== null && (isFinal(record.state) || record.expiresAtMs !== expiresAtMs)
      return isDecided ? record : null
    },
  })
  if (renewed === null) {
    throw unavailable('the limiter has not renewed the lease yet; the same may be sent again', {
      requestId: id,
    })
  }
  if (isFinal(renewed.state)) throw notGranted(id, stateTo(renewed))
  return renewed
}

async function heldOrThrow(context: ApiContext, caller: Caller, id: string): Promise<RequestBrief> {
  const record = await readBrief(context.sql, id, nowMs(context))
  if (record === null) throw notFound('reservation', id)
  mustActFor(caller, record.clientId)
  return record
}

/** Use of what was not reserved is charged too, as long as it is a resource at all. */
async function mustKnow(
  { sql }: ApiContext,
  { demand, id }: RequestBrief,
  told: Readonly<Record<string, number>> | null,
): Promise<void> {
  const reserved = new Set(demand.map(([resource]) => resource))
  for (const resource of Object.keys(told ?? {})) {
    if (reserved.has(resource) || (await readResource(sql, resource)) !== null) continue
    throw new Problem('unknown-resource', `there is no resource "${resource}"`, {
      members: { resource, requestId: id },
    })
  }
}

function notGranted(id: string, state: string): Problem {
  return new Problem('conflict', `"${id}" is ${state}: it holds nothing that could be used`, {
    members: { requestId: id, state },
  })
}

export const settleRoutes: readonly Route[] = [postRelease, postConsume]
