// Reservations without a worker: granted, refused, waiting, asked again.

import { afterAll, beforeEach, beforeAll, describe, expect, test } from 'vitest'
import { resendLost } from '../../activities/upkeep/resend-lost.ts'
import { nowMs } from '../../api/context.ts'
import { eventually } from '../support/await-state.ts'
import { BUCKET, clientOf, furnish, type Client } from './client.ts'
import { openStand, type Stand } from './stand.ts'

let stand: Stand
let api: Client
beforeAll(async () => {
  stand = await openStand()
  api = clientOf(stand)
  await furnish(api)
})
afterAll(() => stand.close())

let nth = 0
let resource: string
/** A resource of its own for each test: 100 tokens, refilled in a minute. */
beforeEach(async () => {
  nth += 1
  resource = `own/${nth}/tokens`
  await api.put(`/admin/resources/${resource}`, { unit: 'tokens', limits: [BUCKET] })
  await api.put(`/admin/prices/${resource}`, { perUnitUsd: '0.001', effectiveFrom: '2020-01-01T00:00:00Z' })
})

const ask = (reservationId: string, units: number, more: object = {}) => ({
  reservationId,
  clientId: 'acme',
  resources: { [resource]: units },
  ttlMs: 60_000,
  maxWaitMs: 0,
  ...more,
})

const left = async () =>
  (await api.get(`/api/resources/availability?id=${resource}`)).body.resources[0].available

describe('granted at once', () => {
  test('is 201 with its lease, its place and what it holds', async () => {
    const { status, headers, body } = await api.post('/internal/reserve', ask('a/1', 40))
    expect(status).toBe(201)
    expect(headers.get('location')).toBe('/internal/reserve/a%2F1')
    expect(body).toMatchObject({
      reservationId: 'a/1',
      state: 'granted',
      resources: { [resource]: 40 },
      costUsd: '0.04',
      heldUsd: '0.04',
      position: null,
    })
    expect(Date.parse(body.expiresAt) - Date.parse(body.grantedAt)).toBe(60_000)
    expect(body.startBy).toBe(body.expiresAt)
    expect((await api.get('/internal/reserve/a/1')).body).toMatchObject({ state: 'granted' })
    expect(await left()).toBe(60)
  })

  test('takes the lease of 300 s and its own id where none is given', async () => {
    const { status, body } = await api.post('/internal/reserve', {
      clientId: 'acme',
      resources: { [resource]: 1 },
    })
    expect(status).toBe(201)
    expect(body.reservationId).toMatch(/^[0-9a-f-]{36}$/)
    expect(Date.parse(body.expiresAt) - Date.parse(body.grantedAt)).toBe(300_000)
  })

  test('costs what the holder says, where it says it', async () => {
    expect((await api.post('/internal/reserve', ask('cost', 10, { costUsd: '0.7' }))).body.heldUsd).toBe(
      '0.7',
    )
  })
})

test('an urgency above what the client may have is lowered, and the decision says so', async () => {
  await api.put('/api/clients/modest', { tier: 'standard', priorityMax: 'normal' })
  const { body } = await api.post(
    '/internal/reserve',
    ask('modest', 1, { clientId: 'modest', urgency: 'urgent' }),
  )
  expect(body).toMatchObject({
    urgency: 'normal',
    decision: { askedUrgency: 'urgent', urgencyLowered: true },
  })
})

describe('what does not fit now', () => {
  test('is 429 with when to come again, and leaves nothing behind', async () => {
    await api.post('/internal/reserve', ask('full', 90))
    const { status, headers, body } = await api.post('/internal/reserve', ask('more', 20))
    expect(status).toBe(429)
    expect(body).toMatchObject({
      code: 'insufficient-resources',
      resource,
      limit: 0,
      needed: 20,
      available: 10,
      requestId: 'more',
    })
    expect(body.retryAfterMs).toBeGreaterThan(5_000)
    expect(headers.get('retry-after')).toBe(String(Math.ceil(body.retryAfterMs / 1_000)))
    expect((await api.get('/internal/reserve/more')).body).toMatchObject({ state: 'rejected', heldUsd: '0' })
    expect(await left()).toBe(10)
  })

  test('is judged anew under the same id', async () => {
    await api.post('/internal/reserve', ask('first', 90))
    expect((await api.post('/internal/reserve', ask('again', 20))).status).toBe(429)
    await api.post('/internal/release', { reservationId: 'first', actual: {} })
    const again = await api.post('/internal/reserve', ask('again', 20))
    expect(again).toMatchObject({ status: 201, body: { state: 'granted' } })
    expect(again.headers.get('idempotent-replayed')).toBeNull()
  })

  test('waits where it may, with its place, and is granted in time', async () => {
    await api.post('/internal/reserve', ask('holder', 90))
    const waiting = await api.post('/internal/reserve', ask('waiter', 50, { maxWaitMs: 60_000 }))
    expect(waiting).toMatchObject({
      status: 202,
      body: {
        state: 'waiting',
        position: 1,
        queueClass: 'normal',
        waitingFor: { resource, limit: 0, needed: 50 },
      },
    })
    expect(waiting.headers.get('location')).toBe('/internal/reserve/waiter')
    const place = await api.get('/api/queue/position/waiter')
    expect(place.body).toMatchObject({
      state: 'waiting',
      queue: 'normal',
      position: 1,
      waitingFor: { resource },
    })
    const waited = api.post('/internal/reserve', ask('waiter', 50, { maxWaitMs: 60_000 }), {
      headers: { prefer: 'wait=5' },
    })
    await api.post('/internal/release', { reservationId: 'holder', actual: {} })
    expect(await waited).toMatchObject({ status: 201, body: { state: 'granted' } })
    expect((await waited).headers.get('preference-applied')).toBe('wait')
  })

  test('waits no longer than it may, and ends expired', async () => {
    await api.post('/internal/reserve', ask('holder-2', 90))
    await api.post('/internal/reserve', ask('blocker', 100, { maxWaitMs: 3_600_000, urgency: 'urgent' }))
    const behind = await api.post('/internal/reserve', ask('short', 50, { maxWaitMs: 58_000 }))
    expect(behind.status).toBe(202)
    await stand.advance(58_001)
    expect((await api.get('/internal/reserve/short')).body).toMatchObject({
      state: 'expired',
      heldUsd: '0',
      error: { code: 'max-wait' },
    })
  })

  test('is cancelled while it waits, and no more once it is granted', async () => {
    await api.post('/internal/reserve', ask('holder-3', 90))
    await api.post('/internal/reserve', ask('leaver', 50, { maxWaitMs: 60_000 }))
    const gone = await api.delete('/internal/reserve/leaver')
    expect(gone).toMatchObject({ status: 200, body: { state: 'cancelled', heldUsd: '0' } })
    expect(await api.delete('/internal/reserve/leaver')).toMatchObject({
      status: 200,
      body: { state: 'cancelled' },
    })
    expect(await api.delete('/internal/reserve/holder-3')).toMatchObject({
      status: 409,
      body: { code: 'conflict' },
    })
    expect(await api.delete('/api/queue/holder-3')).toMatchObject({ status: 409 })
    expect(await api.delete('/api/queue/nobody')).toMatchObject({ status: 404 })
  })

  test('moves up where it is boosted', async () => {
    await api.post('/internal/reserve', ask('holder-4', 90))
    await api.post('/internal/reserve', ask('one', 50, { maxWaitMs: 600_000 }))
    await api.post('/internal/reserve', ask('two', 60, { maxWaitMs: 600_000 }))
    const position = async () => (await api.get('/api/queue/position/two')).body.position
    expect(await position()).toBe(2)
    expect(await api.post('/internal/queue/priority-boost', { requestId: 'two', points: 20 })).toMatchObject({
      status: 200,
      body: { requestId: 'two', points: 20 },
    })
    await eventually(async () => (await position()) === 1)
    const batch = await api.post('/internal/queue/batch', {
      operations: [
        { op: 'cancel', requestId: 'one' },
        { op: 'boost', requestId: 'nobody', points: 1 },
        { op: 'boost', requestId: 'holder-4', points: 1 },
      ],
    })
    expect(batch.body.results).toMatchObject([
      { op: 'cancel', requestId: 'one', status: 202 },
      { op: 'boost', requestId: 'nobody', status: 404, code: 'not-found' },
      { op: 'boost', requestId: 'holder-4', status: 409, code: 'conflict' },
    ])
  })
})

describe('idempotency', () => {
  test('I1 the same id and body give the same answer, and nothing is charged twice', async () => {
    const first = await api.post('/internal/reserve', ask('i1', 40))
    const reordered = Object.fromEntries(Object.entries(ask('i1', 40)).reverse())
    const again = await api.post('/internal/reserve', reordered)
    expect(again.status).toBe(201)
    expect(again.headers.get('idempotent-replayed')).toBe('true')
    expect(again.body).toEqual(first.body)
    expect(await left()).toBe(60)
  })

  test('I1 the same id and another body are a mismatch', async () => {
    await api.post('/internal/reserve', ask('i2', 40))
    expect(await api.post('/internal/reserve', ask('i2', 41))).toMatchObject({
      status: 409,
      body: { code: 'idempotency-mismatch', requestId: 'i2' },
    })
  })

  test.each([
    ['"quoted"', 'quoted'],
    ['bare', 'bare'],
  ])('I1 the id may come as Idempotency-Key: %s', async (header, id) => {
    const { reservationId: _, ...body } = ask('', 1)
    const options = { headers: { 'idempotency-key': header } }
    expect((await api.post('/internal/reserve', body, options)).body.reservationId).toBe(id)
  })

  test('I1 a header and a body that differ are refused', async () => {
    const options = { headers: { 'idempotency-key': '"i5"' } }
    expect(await api.post('/internal/reserve', ask('i4', 1), options)).toMatchObject({
      status: 400,
      body: { code: 'invalid-request', errors: [{ pointer: '/reservationId' }] },
    })
  })

  test('a limiter that is away costs nothing: the same id goes on when it is back', async () => {
    stand.isDown = true
    const away = await api.post('/internal/reserve', ask('i6', 40))
    expect(away).toMatchObject({ status: 503, body: { code: 'unavailable', requestId: 'i6' } })
    expect(away.headers.get('retry-after')).toBe('1')
    expect(away.body.retryAfterMs).toBe(1_000)
    stand.isDown = false
    expect(await api.post('/internal/reserve', ask('i6', 40))).toMatchObject({
      status: 201,
      body: { state: 'granted' },
    })
    expect(await left()).toBe(60)
  })
})

test('one that the limiter was never told of is sent again, once it is overdue', async () => {
  const resend = () => resendLost(stand.context, nowMs(stand.context))
  stand.isDown = true
  expect((await api.post('/internal/reserve', ask('lost', 40, { maxWaitMs: 600_000 }))).status).toBe(503)
  stand.isDown = false
  expect(await resend()).toEqual([])
  await stand.advance(15_001)
  expect(await resend()).toEqual(['lost'])
  await eventually(async () => (await api.get('/internal/reserve/lost')).body.state === 'granted')
  expect(await resend()).toEqual([])
})

test('slots are taken one a reservation, or by units where the unit is slots', async () => {
  expect((await api.post('/internal/reserve', { ...ask('s1', 1), resources: { gpu: 2 } })).status).toBe(201)
  const full = await api.post('/internal/reserve', { ...ask('s2', 1), resources: { gpu: 1 } })
  expect(full).toMatchObject({ status: 429, body: { resource: 'gpu', available: 0 } })
  await api.post('/internal/release', { reservationId: 's1' })
})
