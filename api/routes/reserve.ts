// Reservations without a worker: made, looked at, cancelled.

import { z } from 'zod'
import { readBrief, type RequestBrief } from '../../activities/ledger/read-request.ts'
import { nowMs, type ApiContext } from '../context.ts'
import { reservationAsk } from '../convert/ask.ts'
import { reservationTo, standingOf } from '../convert/request.ts'
import { bodyHash, idOf } from '../idempotency.ts'
import { mustActFor, type Caller } from '../keys.ts'
import { notFound } from '../problem.ts'
import { reserve } from '../reserve.ts'
import { route, type Route } from '../route.ts'
import { reservation } from '../schema/answers.ts'
import * as p from '../schema/primitives.ts'
import { reserve as reserveBody } from '../schema/requests.ts'
import { preferredWaitMs } from '../wait.ts'
import { ADMISSION_PROBLEMS } from './execute.ts'
import { leaveQueue } from '../leave-queue.ts'

const MEMBER = 'reservationId'
const params = z.strictObject({ id: p.id })

const postReserve = route({
  method: 'post',
  path: '/internal/reserve',
  scopes: ['internal'],
  summary: 'Reserve units of several resources, all or nothing',
  headers: ['Idempotency-Key', 'Prefer'],
  body: reserveBody,
  problems: ADMISSION_PROBLEMS,
  answers: { 200: reservation, 201: reservation, 202: reservation },
  async handle({ context, caller, body, rawBody, request }) {
    mustActFor(caller, body.clientId)
    const id = idOf(request, { member: MEMBER, given: body.reservationId })
    const ask = reservationAsk(body, { id, bodyHash: bodyHash(rawBody, { member: MEMBER }) })
    const { record, isReplay } = await reserve(context, ask)
    const waitMs = preferredWaitMs(request)
    const settled =
      record.state === 'waiting' && waitMs > 0 ? await decidedWithin(context, id, waitMs) : record
    const headers = {
      location: reservationPath(id),
      ...(isReplay && { 'idempotent-replayed': 'true' }),
      ...(waitMs > 0 && { 'preference-applied': 'wait' }),
    }
    return { status: statusOf(settled), body: await reservationOf(context, settled), headers }
  },
})

/** 202 while it waits, 201 once granted, 200 where it ended without a grant. */
function statusOf({ state, grantedAtMs }: RequestBrief): number {
  if (state === 'waiting') return 202
  return grantedAtMs === null ? 200 : 201
}

/** The reservation when it no longer waits, or as it is after `waitMs`. */
async function decidedWithin(context: ApiContext, id: string, waitMs: number): Promise<RequestBrief> {
  const read = () => readBrief(context.sql, id, nowMs(context))
  const notWaiting = async () => {
    const record = await read()
    return record?.state === 'waiting' ? null : record
  }
  const record = (await context.announcements.waitFor(id, notWaiting, waitMs)) ?? (await read())
  if (record === null) throw notFound('reservation', id)
  return record
}

const getReserve = route({
  method: 'get',
  path: '/internal/reserve/{id}',
  scopes: ['internal', 'read'],
  summary: 'The reservation as it is',
  params,
  problems: ['not-found'],
  answers: { 200: reservation },
  async handle({ context, caller, params }) {
    const record = await reservationOrThrow(context, caller, params.id)
    return { status: 200, body: await reservationOf(context, record) }
  },
})

const deleteReserve = route({
  method: 'delete',
  path: '/internal/reserve/{id}',
  scopes: ['internal'],
  summary: 'Cancel it while it waits; once granted it is released',
  params,
  problems: ['not-found', 'conflict'],
  answers: { 200: reservation },
  async handle({ context, caller, params }) {
    const record = await reservationOrThrow(context, caller, params.id)
    return { status: 200, body: await reservationOf(context, await leaveQueue(context, record)) }
  },
})

async function reservationOrThrow(context: ApiContext, caller: Caller, id: string): Promise<RequestBrief> {
  const record = await readBrief(context.sql, id, nowMs(context))
  if (record === null || record.kind !== 'reservation') throw notFound('reservation', id)
  mustActFor(caller, record.clientId)
  return record
}

async function reservationOf(context: ApiContext, record: RequestBrief) {
  return reservationTo(record, await standingOf(context, record))
}

export function reservationPath(id: string): string {
  return `/internal/reserve/${encodeURIComponent(id)}`
}

export const reserveRoutes: readonly Route[] = [postReserve, getReserve, deleteReserve]
