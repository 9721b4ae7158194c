// Executions that admission refuses: each with its code and members, and with nothing left behind.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
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

const ask = (requestId: string, more: object = {}) => ({
  requestId,
  clientId: 'acme',
  worker: 'echo',
  resources: { 'gpt/tokens': 40 },
  ...more,
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
      () => ({ resources: { 'gpt/tokens': 101 } }),
      { status: 422, code: 'impossible', limit: 0, needed: 101, size: 100 },
    ],
    ['an estimate above its own limit', () => ({ maxCostUsd: '0.01' }), { status: 422, code: 'cost-limit' }],
    [
      'a budget that is spent',
      () => ({ clientId: 'poor', resources: { 'gpt/tokens': 60 } }),
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
      body({ clientId: 'poor', resources: { 'gpt/tokens': 60 } }),
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
