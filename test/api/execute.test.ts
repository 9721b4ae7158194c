// Executions: asked, refused, waiting, done, listed, cancelled, followed.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { BUCKET, clientOf, furnish, type Client } from './client.ts'
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

  test('is deferred until its time', async () => {
    const deferUntil = new Date(Date.now() + 8 * 3_600_000).toISOString()
    const { body } = await api.post('/api/execute', ask('later', { deferUntil }))
    expect(body).toMatchObject({ state: 'deferred', queueClass: 'deferred', estimatedStart: deferUntil })
    expect(await api.delete('/api/queue/later')).toMatchObject({ status: 200, body: { state: 'cancelled' } })
  })

  test('is cancelled while it runs; one that has ended stays as it is', async () => {
    stand.work = POSTS_LATER
    await api.post('/api/execute', ask('c1'))
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
  })
})

describe('refused', () => {
  beforeAll(async () => {
    await api.put('/api/clients/poor', {
      tier: 'standard',
      budgets: [{ unit: 'USD', amount: '0.05', period: 'day', enforcement: 'hard' }],
    })
    await api.put('/api/clients/few', { tier: 'standard', dailyRequests: 0 })
    await api.put('/admin/resources/no/price', { unit: 'tokens', limits: [BUCKET] })
    await api.put('/api/workers/future', { planned: true })
  })

  const body = (more: object) => ({ ...ask('x'), requestId: undefined, ...more })

  test.each<[sentence: string, more: () => object, want: object]>([
    ['an unknown client', () => ({ clientId: 'nobody' }), { status: 422, code: 'unknown-client' }],
    ['an unknown worker', () => ({ worker: 'nobody' }), { status: 422, code: 'unknown-worker' }],
    ['a worker that is only planned', () => ({ worker: 'future' }), { status: 422, code: 'unknown-worker' }],
    [
      'an unknown template',
      () => ({ worker: null, template: 'none' }),
      { status: 422, code: 'unknown-template' },
    ],
    [
      'an unknown resource',
      () => ({ resources: { 'no/such': 1 } }),
      { status: 422, code: 'unknown-resource', resource: 'no/such' },
    ],
    [
      'a resource without a price',
      () => ({ resources: { 'no/price': 1 } }),
      { status: 422, code: 'unknown-price', resource: 'no/price' },
    ],
    [
      'a demand that can never fit',
      () => ({ resources: { [resource]: 101 } }),
      { status: 422, code: 'impossible', limit: 0, needed: 101, size: 100 },
    ],
    ['an estimate above its own limit', () => ({ maxCostUsd: '0.01' }), { status: 422, code: 'cost-limit' }],
    [
      'a budget that is spent',
      () => ({ clientId: 'poor', resources: { [resource]: 60 } }),
      {
        status: 402,
        code: 'budget-exceeded',
        scope: 'poor',
        budget: { unit: 'USD', period: 'day', amount: '0.05', enforcement: 'hard' },
        needed: '0.06',
        remaining: '0.05',
      },
    ],
    [
      'a client that has used its day',
      () => ({ clientId: 'few' }),
      { status: 429, code: 'insufficient-resources', resource: 'client:few', limit: 'dailyRequests' },
    ],
    [
      'a deadline that has passed',
      () => ({ deadline: '2020-01-01T00:00:00.000Z' }),
      { status: 400, code: 'invalid-request' },
    ],
  ])('%s, with its code and members', async (_sentence, more, want) => {
    const { status, headers, body: problem } = await api.post('/api/execute', body(more()))
    expect({ status, ...problem }).toMatchObject(want)
    expect(headers.get('content-type')).toMatch('application/problem+json')
    const { body: refused } = await api.get(`/api/execution/${problem.requestId}`)
    expect(refused).toMatchObject({ state: 'refused', cost: { heldUsd: '0' }, error: { code: problem.code } })
  })

  test('says when a budget begins anew', async () => {
    const { body: problem } = await api.post(
      '/api/execute',
      body({ clientId: 'poor', resources: { [resource]: 60 } }),
    )
    expect(Date.parse(problem.resetsAt) % 86_400_000).toBe(0)
    expect(Date.parse(problem.resetsAt)).toBeGreaterThan(Date.now())
  })

  test('is judged anew under the same id', async () => {
    expect((await api.post('/api/execute', ask('again', { worker: 'soon' }))).status).toBe(422)
    await api.put('/api/workers/soon', { endpoints: { execute: 'http://127.0.0.1:1/' } })
    const again = await api.post('/api/execute', ask('again', { worker: 'soon' }))
    expect(again.status).toBe(202)
    expect(again.headers.get('idempotent-replayed')).toBeNull()
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

describe('lists', () => {
  test('are paged, the newest first, with a link to the next page', async () => {
    await api.put('/api/clients/lister', { tier: 'standard' })
    for (const id of ['l1', 'l2', 'l3']) await api.post('/api/execute', ask(id, { clientId: 'lister' }))
    const first = await api.get('/api/executions?clientId=lister&limit=2')
    expect(first.body.items.map(({ requestId }: { requestId: string }) => requestId)).toEqual(['l3', 'l2'])
    const link = first.headers.get('link') ?? ''
    expect(link).toMatch(/^<\/api\/executions\?clientId=lister&limit=2&cursor=[\w-]+>; rel="next"$/)
    const next = await api.get(link.slice(1, link.indexOf('>')))
    expect(next.body).toMatchObject({ items: [{ requestId: 'l1' }], cursor: null })
    expect(next.headers.get('link')).toBeNull()
  })

  test('are narrowed by state', async () => {
    const { body } = await api.get('/api/executions?state=refused')
    expect(body.items.every(({ state }: { state: string }) => state === 'refused')).toBe(true)
  })

  test.each([
    ['limit=201', '?limit'],
    ['limit=x', '?limit'],
    ['state=done', '?state'],
    ['cursor=nonsense', '?cursor'],
    ['colour=red', '?colour'],
  ])('refuse %s with its parameter', async (query, pointer) => {
    expect(await api.get(`/api/executions?${query}`)).toMatchObject({
      status: 400,
      body: { code: 'invalid-request', errors: [{ pointer }] },
    })
  })
})

describe('events', () => {
  type Event = { id: string; event: string; data: { state: string } }

  async function follow(id: string, lastEventId?: string): Promise<Event[]> {
    const response = await fetch(`${stand.url}/api/execution/${id}/events`, {
      headers: {
        authorization: 'Bearer rm_test_admin',
        ...(lastEventId !== undefined && { 'last-event-id': lastEventId }),
      },
    })
    expect(response.headers.get('content-type')).toMatch('text/event-stream')
    const blocks = (await response.text()).split('\n\n').filter((block) => block.includes('data:'))
    return blocks.map((block) => {
      const field = (name: string) => new RegExp(`^${name}: ?(.*)$`, 'm').exec(block)?.[1] ?? ''
      return { id: field('id'), event: field('event'), data: JSON.parse(field('data')) }
    })
  }

  test('V2 are all its states, and end with it', async () => {
    stand.work = POSTS_LATER
    await api.post('/api/execute', ask('follow'))
    const events = follow('follow')
    await api.post('/internal/release', { reservationId: 'follow', actual: {} })
    expect((await events).map(({ event }) => event)).toEqual([
      'admitted',
      'waiting',
      'granted',
      'executing',
      'completed',
    ])
  })

  test('V1 go on after the last one seen', async () => {
    const all = await follow('follow')
    const rest = await follow('follow', all[2]?.id)
    expect(rest).toEqual(all.slice(3))
    expect(await follow('follow', all.at(-1)?.id)).toEqual([])
  })

  test('of a refused request are its refusal', async () => {
    await api.post('/api/execute', ask('no', { worker: 'nobody' }))
    expect(await follow('no')).toMatchObject([
      { event: 'refused', data: { detail: { code: 'unknown-worker' } } },
    ])
  })

  test('of an unknown request are 404', async () => {
    expect((await api.get('/api/execution/nobody/events')).status).toBe(404)
  })
})
