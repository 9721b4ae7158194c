// Executions: asked, waiting, done, cancelled, and asked again under the same id.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { BUCKET, clientOf, furnish, untilExecuting, type Client } from './client.ts'
import { openStand, type Stand, type Work } from './stand.ts'

let stand: Stand
let api: Client
beforeAll(async () => {
  stand = await openStand()
  api = clientOf(stand)
  await furnish(api)
})
afterAll(() => stand.close())

const DONE: Work = () => ({
  ending: { kind: 'completed', output: { said: 'hello' }, partial: false },
  use: { kind: 'reported', consumed: { [resource]: 7 }, costNanoUsd: null },
})
const POSTS_LATER: Work = () => null

let nth = 0
let resource: string
beforeEach(async () => {
  nth += 1
  resource = `exec/${nth}/tokens`
  stand.work = DONE
  await api.put(`/admin/resources/${resource}`, { unit: 'tokens', limits: [BUCKET] })
  await api.put(`/admin/prices/${resource}`, { perUnitUsd: '0.001', effectiveFrom: '2020-01-01T00:00:00Z' })
})

const ask = (requestId: string, more: object = {}) => ({
  requestId,
  clientId: 'acme',
  worker: 'echo',
  input: { topic: 'tides' },
  resources: { [resource]: 40 },
  ...more,
})

const settled = (id: string) => api.post('/api/execute', ask(id), { headers: { prefer: 'wait=5' } })

describe('an execution', () => {
  test('is accepted after admission, with where to look', async () => {
    stand.work = POSTS_LATER
    const { status, headers, body } = await api.post('/api/execute', ask('e1'))
    expect(status).toBe(202)
    expect(headers.get('location')).toBe('/api/execution/e1')
    expect(body).toMatchObject({
      requestId: 'e1',
      queueClass: 'immediate',
      position: null,
      estimatedStart: null,
      estimatedCostUsd: '0.04',
      links: {
        self: '/api/execution/e1',
        cancel: '/api/execution/e1/cancel',
        events: '/api/execution/e1/events',
        temporal: 'http://temporal.test/namespaces/default/workflows/req%3Ae1',
      },
    })
    expect(['waiting', 'granted', 'executing']).toContain(body.state)
  })

  test('is answered with its end where the caller would wait', async () => {
    const { status, headers, body } = await settled('e2')
    expect(status).toBe(200)
    expect(headers.get('preference-applied')).toBe('wait')
    expect(body).toMatchObject({
      requestId: 'e2',
      clientId: 'acme',
      tier: 'standard',
      worker: 'echo',
      action: 'execute',
      state: 'completed',
      priority: null,
      waitingFor: null,
      resources: { reserved: { [resource]: 40 }, actual: { [resource]: 7 } },
      cost: { estimatedUsd: '0.04', heldUsd: '0', actualUsd: '0.007', savedUsd: '0' },
      optimizations: [],
      attempts: 1,
      output: { said: 'hello' },
      error: null,
    })
    const states = body.timeline.map(({ state }: { state: string }) => state)
    expect(states).toEqual(['admitted', 'waiting', 'granted', 'executing', 'completed'])
    expect((await api.get('/api/execution/e2')).body).toEqual(body)
    expect((await api.get('/api/cost/e2')).body).toMatchObject({
      actualUsd: '0.007',
      lines: [{ attempt: 1, resource, units: 7, perUnitUsd: '0.001', costUsd: '0.007', assumed: false }],
    })
  })

  test('waits with its place, its score and what it waits for', async () => {
    stand.work = POSTS_LATER
    await api.post('/api/execute', ask('holder', { resources: { [resource]: 90 } }))
    const { status, body } = await api.post('/api/queue/enqueue', ask('waiter'))
    expect(status).toBe(202)
    expect(body).toMatchObject({ queue: 'normal', position: 1, state: 'waiting' })
    expect(Date.parse(body.estimatedStart)).toBeGreaterThan(Date.now())
    expect((await api.get('/api/execution/waiter')).body).toMatchObject({
      state: 'waiting',
      position: 1,
      priority: { tier: 20, urgency: 10, waiting: 0, starving: false },
      waitingFor: { resource, limit: 0 },
    })
    expect((await api.get('/api/queue/status')).body).toMatchObject({ paused: false })
    expect(await api.delete('/api/queue/waiter')).toMatchObject({ status: 200, body: { state: 'cancelled' } })
    expect(await api.delete('/api/queue/holder')).toMatchObject({ status: 409, body: { code: 'conflict' } })
  })

  test('that cannot start within its longest wait is refused at once, holds nothing, and may try again', async () => {
    const taken = {
      reservationId: `taken-${nth}`,
      clientId: 'acme',
      resources: { [resource]: 100 },
      maxWaitMs: 0,
    }
    await api.post('/internal/reserve', taken)
    await api.post('/internal/release', { reservationId: taken.reservationId })
    for (const [id, maxWaitMs] of [['now', 0] as const, ['soon', 1_000] as const]) {
      const { status, headers, body } = await api.post('/api/execute', ask(id, { maxWaitMs }))
      expect({ status, body }).toMatchObject({
        status: 429,
        body: { code: 'insufficient-resources', resource, limit: 0, needed: 40, requestId: id },
      })
      expect(Number(headers.get('retry-after'))).toBe(Math.ceil(body.retryAfterMs / 1_000))
      expect((await api.get(`/api/execution/${id}`)).body).toMatchObject({
        state: 'refused',
        error: { code: 'insufficient-resources' },
        attempts: 0,
        cost: { heldUsd: '0', actualUsd: '0' },
      })
    }
    await stand.advance(60_000)
    const again = await api.post('/api/execute', ask('now', { maxWaitMs: 0 }), {
      headers: { prefer: 'wait=5' },
    })
    expect(again).toMatchObject({ status: 200, body: { state: 'completed' } })
  })

  test('that can start within its longest wait waits', async () => {
    stand.work = POSTS_LATER
    await api.post('/api/execute', ask('before', { resources: { [resource]: 90 } }))
    const { status, body } = await api.post('/api/execute', ask('patient', { maxWaitMs: 600_000 }))
    expect({ status, body }).toMatchObject({ status: 202, body: { state: 'waiting', position: 1 } })
    await api.delete('/api/queue/patient')
  })

  test('is deferred until its time', async () => {
    const deferUntil = new Date(Date.now() + 8 * 3_600_000).toISOString()
    const { body } = await api.post('/api/execute', ask('later', { deferUntil }))
    expect(body).toMatchObject({ state: 'deferred', queueClass: 'deferred', estimatedStart: deferUntil })
    expect(await api.delete('/api/queue/later')).toMatchObject({ status: 200, body: { state: 'cancelled' } })
  })

  test('is cancelled while it runs; one that has ended stays as it is', async () => {
    stand.work = POSTS_LATER
    await api.post('/api/execute', ask('c1'))
    await untilExecuting(api, 'c1')
    const cancelled = await api.post('/api/execution/c1/cancel')
    expect(cancelled.status).toBe(202)
    expect((await api.get('/api/execution/c1')).body).toMatchObject({ state: 'cancelled' })
    expect(await api.post('/api/execution/c1/cancel', {})).toMatchObject({
      status: 200,
      body: { state: 'cancelled' },
    })
    expect(await api.post('/api/execution/nobody/cancel')).toMatchObject({ status: 404 })
  })

  test('of a worker that answered 202 ends with the result that it posts', async () => {
    stand.work = POSTS_LATER
    await api.post('/api/execute', ask('async'))
    await untilExecuting(api, 'async')
    const progress = { reservationId: 'async', consumed: { [resource]: 3 } }
    expect(await api.post('/internal/consume', progress)).toMatchObject({ status: 200 })
    const result = { reservationId: 'async', actual: { [resource]: 9 }, output: { pages: 2 } }
    expect(await api.post('/internal/release', result)).toMatchObject({
      status: 202,
      body: { state: 'accepted' },
    })
    expect((await api.get('/api/execution/async')).body).toMatchObject({
      state: 'completed',
      output: { pages: 2 },
      cost: { actualUsd: '0.009' },
    })
    const again = await api.post('/internal/release', result)
    expect(again).toMatchObject({ status: 200, body: { state: 'settled', settled: { [resource]: 9 } } })
    expect(again.headers.get('idempotent-replayed')).toBe('true')
    expect(await api.post('/internal/release', { ...result, actual: { [resource]: 8 } })).toMatchObject({
      status: 409,
      body: { code: 'conflict', requestId: 'async' },
    })
  })

  test('whose use is assumed is corrected by a late report, once', async () => {
    stand.work = POSTS_LATER
    await api.post('/api/execute', ask('assumed'))
    await untilExecuting(api, 'assumed')
    await api.post('/api/execution/assumed/cancel')
    expect((await api.get('/api/execution/assumed')).body).toMatchObject({
      state: 'cancelled',
      cost: { actualUsd: '0.04', assumed: true },
    })
    const report = { reservationId: 'assumed', actual: { [resource]: 9 } }
    const settled = { status: 200, body: { state: 'settled', settled: { [resource]: 9 }, costUsd: '0.009' } }
    const first = await api.post('/internal/release', report)
    expect(first).toMatchObject(settled)
    expect(first.body.late).toBe(true)
    const again = await api.post('/internal/release', report)
    expect(again.body).toEqual(first.body)
    expect(again.headers.get('idempotent-replayed')).toBe('true')
    expect(await api.post('/internal/release', { ...report, costUsd: '1' })).toMatchObject({ status: 409 })
    expect((await api.get('/api/execution/assumed')).body.cost).toMatchObject({
      actualUsd: '0.009',
      assumed: false,
    })
  })
})

describe('idempotency', () => {
  test('the same id and body are one request', async () => {
    await settled('same')
    const again = await settled('same')
    expect(again).toMatchObject({ status: 200, body: { requestId: 'same', state: 'completed' } })
    expect(again.headers.get('idempotent-replayed')).toBe('true')
    expect((await api.get('/api/cost/same')).body.lines).toHaveLength(1)
  })

  test('the same id and another body are a mismatch', async () => {
    await settled('other')
    expect(await api.post('/api/execute', ask('other', { urgency: 'high' }))).toMatchObject({
      status: 409,
      body: { code: 'idempotency-mismatch' },
    })
  })

  test('fifty at once under one id are one request', async () => {
    const answers = await Promise.all(Array.from({ length: 50 }, () => settled('crowd')))
    expect(answers.every(({ status, body }) => status === 200 && body.state === 'completed')).toBe(true)
    expect((await api.get('/api/cost/crowd')).body).toMatchObject({ actualUsd: '0.007' })
  })

  test('Temporal away is 503 with when to come again, and the id is free', async () => {
    stand.isDown = true
    const away = await api.post('/api/execute', ask('down'))
    expect(away).toMatchObject({ status: 503, body: { code: 'unavailable', requestId: 'down' } })
    expect(Number(away.headers.get('retry-after'))).toBeGreaterThan(0)
    stand.isDown = false
    expect((await settled('down')).status).toBe(200)
  })
})
