// What is left, what fits, how long the queues are, what a client has used, and how we are.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openDatabase } from '../../activities/ledger/database.ts'
import { BUCKET, clientOf, furnish, type Client } from './client.ts'
import { openStand, serve, type Stand } from './stand.ts'

let stand: Stand
let api: Client
beforeAll(async () => {
  stand = await openStand()
  api = clientOf(stand)
  await furnish(api)
  await api.put('/admin/resources/many/limits', {
    unit: 'calls',
    limits: [
      BUCKET,
      { type: 'sliding-window', units: 80, windowMs: 60_000 },
      { type: 'fixed-window', units: 500, period: 'day' },
      { type: 'concurrency', slots: 4 },
    ],
  })
  await api.put('/admin/prices/many/limits', { perUnitUsd: '0.01', effectiveFrom: '2020-01-01T00:00:00Z' })
})
afterAll(() => stand.close())

const reserve = (reservationId: string, resources: object, more: object = {}) =>
  api.post('/internal/reserve', { reservationId, clientId: 'acme', resources, maxWaitMs: 0, ...more })

describe('availability', () => {
  test('is the least over all limits, each with its own figures', async () => {
    await reserve('f1', { 'many/limits': 30 })
    const { body } = await api.get('/api/resources/availability?id=many/limits')
    expect(body.resources).toHaveLength(1)
    const [{ limits, ...resource }] = body.resources
    expect(resource).toMatchObject({
      id: 'many/limits',
      unit: 'calls',
      kind: 'api',
      available: 50,
      inFlight: 1,
      waiting: 0,
    })
    expect(resource.pools.shared).toMatchObject({ available: 50 })
    expect(limits).toMatchObject([
      { type: 'token-bucket', limit: 100, used: 30, remaining: 70 },
      { type: 'sliding-window', limit: 80, used: 30, remaining: 50 },
      { type: 'fixed-window', limit: 500, used: 30, remaining: 470 },
      { type: 'concurrency', limit: 4, used: 1, remaining: 3 },
    ])
    for (const { resetsAt } of limits.slice(0, 3)) expect(Date.parse(resetsAt)).toBeGreaterThan(Date.now())
  })

  test('of all resources, and of none that there is not', async () => {
    const { body } = await api.get('/api/resources/availability')
    const ids = body.resources.map(({ id }: { id: string }) => id)
    expect(ids.toSorted()).toEqual(['gpt/tokens', 'gpu', 'many/limits'])
    expect((await api.get('/api/resources/availability?id=none')).status).toBe(404)
  })
})

test('metrics tell resources, limits and queues in the text format of Prometheus', async () => {
  await api.put('/admin/resources/measured', { unit: 'calls', limits: [BUCKET] })
  await api.put('/admin/prices/measured', { perUnitUsd: '0' })
  await reserve('measured', { measured: 40 })
  const { status, headers, body } = await api.get('/metrics')
  expect(status).toBe(200)
  expect(headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/)
  const lines: string[] = body.trimEnd().split('\n')
  const text = /^(# (HELP \w+ .+|TYPE \w+ gauge)|\w+(\{(\w+="[^"\\]*",?)+\})? -?\d+(\.\d+)?)$/
  expect(lines.filter((line) => !text.test(line))).toEqual([])
  expect(lines).toEqual(
    expect.arrayContaining([
      '# TYPE rm_resource_available gauge',
      'rm_resource_available{resource="measured"} 60',
      'rm_resource_in_flight{resource="measured"} 1',
      'rm_limit_size{resource="measured",limit="0",type="token-bucket"} 100',
      'rm_limit_used{resource="measured",limit="0",type="token-bucket"} 40',
      'rm_limit_remaining{resource="measured",limit="0",type="token-bucket"} 60',
      'rm_queue_depth{queue_class="immediate"} 0',
      'rm_scheduler_paused 0',
    ]),
  )
  const detailed = await api.get('/internal/metrics/detailed')
  expect(
    detailed.body.metrics.find(({ name }: { name: string }) => name === 'rm_limit_used').samples,
  ).toContainEqual({
    labels: { resource: 'measured', limit: 0, type: 'token-bucket' },
    value: 40,
  })
})

test('a part that is kept for a client is shown by itself, and is left to it', async () => {
  const pools = { reserved: 0.1, dedicated: { other: 0.2 } }
  await api.put('/api/clients/other', { tier: 'standard' })
  expect(
    (await api.put('/admin/resources/kept', { unit: 'calls', limits: [BUCKET], pools })).body.pools,
  ).toEqual(pools)
  await api.put('/admin/prices/kept', { perUnitUsd: '0', effectiveFrom: '2020-01-01T00:00:00Z' })
  expect(await reserve('k1', { kept: 71 })).toMatchObject({
    status: 422,
    body: { code: 'impossible', size: 70 },
  })
  expect((await reserve('k2', { kept: 70 })).status).toBe(201)
  const [kept] = (await api.get('/api/resources/availability?id=kept')).body.resources
  expect(kept.pools).toMatchObject({
    shared: { available: 0 },
    reserved: { available: 10 },
    'dedicated:other': { available: 20, limits: [{ type: 'token-bucket', limit: 20, used: 0 }] },
  })
  expect((await reserve('k3', { kept: 20 }, { clientId: 'other' })).status).toBe(201)
})

describe('check', () => {
  const check = (resources: object) => api.post('/api/resources/check', { clientId: 'acme', resources })

  test('tells that it fits, and consumes nothing', async () => {
    const requests = async () => (await api.get('/api/usage/acme/current')).body.requests
    const asked = await requests()
    const before = (await api.get('/api/resources/availability?id=gpt/tokens')).body.resources
    for (let times = 0; times < 3; times += 1) {
      expect((await check({ 'gpt/tokens': 90 })).body).toEqual({ available: true, waitMs: 0, blocking: null })
    }
    expect((await api.get('/api/resources/availability?id=gpt/tokens')).body.resources).toEqual(before)
    expect(await requests()).toEqual(asked)
  })

  test('tells what is in the way, and for how long', async () => {
    await reserve('f2', { 'gpt/tokens': 80 })
    const { body } = await check({ 'gpt/tokens': 50 })
    expect(body).toMatchObject({
      available: false,
      blocking: { resource: 'gpt/tokens', limit: 0, needed: 50, available: 20 },
    })
    expect(body.waitMs).toBeGreaterThan(10_000)
    expect(body.waitMs).toBeLessThan(20_000)
    await api.post('/internal/release', { reservationId: 'f2', actual: {} })
  })

  test.each<[sentence: string, body: object, want: object]>([
    [
      'what can never fit',
      { clientId: 'acme', resources: { 'gpt/tokens': 101 } },
      { code: 'impossible', size: 100 },
    ],
    ['an unknown resource', { clientId: 'acme', resources: { none: 1 } }, { code: 'unknown-resource' }],
    ['an unknown client', { clientId: 'none', resources: { gpu: 1 } }, { code: 'unknown-client' }],
  ])('refuses %s', async (_sentence, body, want) => {
    expect(await api.post('/api/resources/check', body)).toMatchObject({ status: 422, body: want })
  })
})

test('the queue has its depth by class and by resource', async () => {
  await reserve('q1', { gpu: 2 }, { ttlMs: 60_000 })
  await reserve('q2', { gpu: 1 }, { maxWaitMs: 600_000 })
  const { body } = await api.get('/api/queue/status')
  const of = (list: { id?: string }[], id: string) => list.find((one) => one.id === id)
  expect(of(body.resources, 'gpu')).toMatchObject({ depth: 1 })
  const depths = body.classes.map(({ depth }: { depth: number }) => depth)
  expect(depths.reduce((sum: number, depth: number) => sum + depth, 0)).toBe(1)
  await api.delete('/api/queue/q2')
  await api.post('/internal/release', { reservationId: 'q1' })
  const after = (await api.get('/api/queue/status')).body
  expect(of(after.resources, 'gpu')).toMatchObject({
    depth: 0,
    oldestAgeMs: null,
    averageWaitMs: expect.any(Number),
  })
})

test('usage of now: budgets with holds, reservations in flight, requests and units', async () => {
  const budgets = [{ unit: 'USD', amount: '10', period: 'month' }]
  await api.put('/api/clients/user', { tier: 'standard', maxConcurrent: 5, dailyRequests: 9, budgets })
  await reserve('u1', { 'gpt/tokens': 20 }, { clientId: 'user' })
  await reserve('u2', { 'gpt/tokens': 30 }, { clientId: 'user' })
  await api.post('/internal/release', { reservationId: 'u2', actual: { 'gpt/tokens': 7 } })
  const { body } = await api.get('/api/usage/user/current')
  expect(body).toMatchObject({
    clientId: 'user',
    budgets: [
      {
        scope: 'user',
        unit: 'USD',
        period: 'month',
        amount: '10',
        used: '0.007',
        held: '0.02',
        remaining: '9.973',
      },
    ],
    concurrent: { used: 1, limit: 5 },
    requests: { today: 2, month: 2, dailyLimit: 9 },
    resources: { 'gpt/tokens': { today: 7, month: 7 } },
  })
  expect((await api.get('/api/usage/nobody/current')).status).toBe(404)
})

test('a client at its cap is told so', async () => {
  await api.put('/api/clients/capped', { tier: 'standard', maxConcurrent: 1 })
  await reserve('m1', { 'many/limits': 1 }, { clientId: 'capped' })
  expect(await reserve('m2', { 'many/limits': 1 }, { clientId: 'capped' })).toMatchObject({
    status: 429,
    body: { code: 'insufficient-resources', resource: 'client:capped', limit: 'maxConcurrent' },
  })
})

test('an estimate has a line with the price of each resource', async () => {
  const { body } = await api.post('/api/cost/estimate', { worker: 'echo' })
  expect(body).toMatchObject({
    resources: { 'gpt/tokens': 10 },
    expectedUsd: '0.01',
    maxUsd: '0.05',
    lines: [{ resource: 'gpt/tokens', units: 10, perUnitUsd: '0.001', costUsd: '0.01' }],
  })
  expect((await api.get('/api/cost/estimate?worker=echo')).body).toEqual(body)
  expect(await api.post('/api/cost/estimate', { worker: 'none' })).toMatchObject({ status: 422 })
  expect(await api.get('/api/cost/estimate')).toMatchObject({ status: 400 })
})

test('a scheduler that is stopped grants nothing, and says so', async () => {
  expect((await api.post('/admin/scheduler/stop')).body).toEqual({ paused: true })
  expect(await reserve('p1', { 'many/limits': 1 })).toMatchObject({ status: 429, body: { limit: 'paused' } })
  expect((await api.get('/status')).body).toMatchObject({ paused: true })
  expect((await api.post('/admin/scheduler/start', {})).body).toEqual({ paused: false })
  expect(await reserve('p2', { 'many/limits': 1 })).toMatchObject({ status: 201 })
})

describe('health', () => {
  test('readyz tells each part, and is 503 where one does not answer', async () => {
    expect((await api.get('/readyz?verbose', { key: null })).body).toEqual({
      status: 'ok',
      checks: { database: { ok: true }, temporal: { ok: true } },
    })
    stand.isDown = true
    const away = await api.get('/readyz?verbose', { key: null })
    expect(away).toMatchObject({
      status: 503,
      body: { status: 'unavailable', checks: { temporal: { ok: false } } },
    })
    expect(away.headers.get('retry-after')).toBe('1')
    expect(await api.get('/readyz', { key: null })).toMatchObject({
      status: 503,
      body: { code: 'unavailable' },
    })
    expect((await api.get('/livez', { key: null })).status).toBe(200)
    expect((await api.get('/status')).body).toMatchObject({ status: 'degraded', temporal: { ok: false } })
    stand.isDown = false
    expect((await api.get('/status')).body).toMatchObject({
      status: 'ok',
      temporal: { ok: true, ui: 'http://temporal.test' },
    })
  })

  test('a database that is away is 503 with when to come again', async () => {
    const sql = openDatabase('postgres://nobody@127.0.0.1:1/none', { max: 1 })
    const lost = await serve({ ...stand.context, sql })
    const client = clientOf(lost)
    const answer = await client.get('/api/executions')
    expect(answer).toMatchObject({ status: 503, body: { code: 'unavailable' } })
    expect(answer.headers.get('retry-after')).toBe('1')
    expect(await client.get('/readyz?verbose', { key: null })).toMatchObject({
      status: 503,
      body: { checks: { database: { ok: false } } },
    })
    await lost.close()
    await sql.end()
  })
})
