// Keys, and the scheduler's switch.

import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { createKey, deleteKey, listKeys, type Key } from '../../activities/ledger/keys.ts'
import { nowMs, type ApiContext } from '../context.ts'
import { fromIsoOrNull, toIso, toIsoOrNull } from '../convert/time.ts'
import { overTemporal } from '../faults.ts'
import { makeKey, mustActForAll } from '../keys.ts'
import { nextLink, pageOf } from '../page.ts'
import { notFound, unavailable } from '../problem.ts'
import { route, type Route } from '../route.ts'
import { createKey as createKeyBody, keyScope, listQuery } from '../schema/requests.ts'
import * as p from '../schema/primitives.ts'
import { decided } from '../wait.ts'

const told = {
  keyId: z.string(),
  clientId: z.string().nullable(),
  scopes: z.array(keyScope),
  label: z.string(),
  createdAt: p.time,
  expiresAt: p.time.nullable(),
}
const key = z.strictObject(told).meta({ id: 'Key' })
const newKey = z.strictObject({ ...told, key: z.string() }).meta({ id: 'NewKey' })
const keys = z.strictObject({ items: z.array(key), cursor: z.string().nullable() }).meta({ id: 'Keys' })
const scheduler = z.strictObject({ paused: z.boolean() }).meta({ id: 'Scheduler' })

const postKey = route({
  method: 'post',
  path: '/admin/keys',
  scopes: ['admin'],
  summary: 'Make a key; it is shown this once',
  body: createKeyBody,
  answers: { 201: newKey },
  async handle({ context, caller, body }) {
    mustActForAll(caller)
    const made = makeKey()
    const { clientId, scopes, label, expiresAt } = body
    const keyId = randomUUID()
    const createdAtMs = nowMs(context)
    const expiresAtMs = fromIsoOrNull(expiresAt)
    await createKey(context.sql, {
      keyId,
      hash: made.hash,
      clientId,
      scopes,
      label,
      createdAtMs,
      expiresAtMs,
    })
    const createdAt = toIso(createdAtMs)
    const answer = {
      keyId,
      key: made.key,
      clientId,
      scopes,
      label,
      createdAt,
      expiresAt: toIsoOrNull(expiresAtMs),
    }
    return { status: 201, body: answer, headers: { 'cache-control': 'no-store' } }
  },
})

const getKeys = route({
  method: 'get',
  path: '/admin/keys',
  scopes: ['admin'],
  summary: 'The keys, the oldest first, without their secrets',
  query: listQuery,
  answers: { 200: keys },
  async handle({ context, caller, query, request }) {
    mustActForAll(caller)
    const found = await listKeys(context.sql)
    const { items, cursor } = pageOf(
      found,
      query,
      ({ createdAtMs, keyId }) => `${toIso(createdAtMs)} ${keyId}`,
    )
    return { status: 200, body: { items: items.map(keyTo), cursor }, headers: nextLink(request, cursor) }
  },
})

function keyTo({ createdAtMs, expiresAtMs, scopes, ...rest }: Key) {
  return {
    ...rest,
    scopes: [...scopes],
    createdAt: toIso(createdAtMs),
    expiresAt: toIsoOrNull(expiresAtMs),
  }
}

const removeKey = route({
  method: 'delete',
  path: '/admin/keys/{keyId}',
  scopes: ['admin'],
  summary: 'Revoke a key, at once',
  params: z.strictObject({ keyId: p.id }),
  problems: ['not-found'],
  answers: { 204: z.undefined() },
  async handle({ context, caller, params }) {
    mustActForAll(caller)
    if (!(await deleteKey(context.sql, params.keyId))) throw notFound('key', params.keyId)
    return { status: 204, body: undefined }
  },
})

const switchScheduler = (name: 'stop' | 'start', paused: boolean) =>
  route({
    method: 'post',
    path: `/admin/scheduler/${name}`,
    scopes: ['admin'],
    summary: paused ? 'Grant nothing new; running work goes on' : 'Grant again',
    body: z.strictObject({}).optional(),
    answers: { 200: scheduler },
    async handle({ context, caller }) {
      mustActForAll(caller)
      await pause(context, paused)
      return { status: 200, body: { paused } }
    },
  })

/** Resolves when the limiter has told that it stands still, or goes on. */
async function pause(context: ApiContext, paused: boolean): Promise<void> {
  const act = () => overTemporal(() => context.operations.send({ kind: 'pause', paused }))
  const read = async () => ((await context.limiterView()).paused === paused ? true : null)
  if ((await decided(context, 'paused', { act, read })) === null) {
    throw unavailable('the limiter has not confirmed it yet')
  }
}

export const adminRoutes: readonly Route[] = [
  postKey,
  getKeys,
  removeKey,
  switchScheduler('stop', true),
  switchScheduler('start', false),
]
