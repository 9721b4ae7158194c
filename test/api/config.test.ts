// Configuration through the API, one object at a time.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BUCKET, clientOf, type Client } from './client.ts'
import { openStand, type Stand } from './stand.ts'

let stand: Stand
let api: Client
beforeAll(async () => {
  stand = await openStand()
  api = clientOf(stand)
})
afterAll(() => stand.close())

describe('an object', () => {
  test('is made with 201, replaced with 200, told with its defaults, removed with 204', async () => {
    const path = '/admin/resources/openai/gpt-4/tokens'
    const made = await api.put(path, { unit: 'tokens', limits: [BUCKET] })
    expect(made.status).toBe(201)
    const defaults = {
      kind: 'api',
      provider: null,
      jitterMs: 0,
      refund: 'at-settle',
      chargeRejected: false,
      maxQueue: 1000,
      maxWaitMs: 3_600_000,
      pools: { reserved: 0, dedicated: {} },
      guaranteedShare: 0.25,
    }
    expect(made.body).toMatchObject({ id: 'openai/gpt-4/tokens', unit: 'tokens', ...defaults })
    const replaced = await api.put(path, { unit: 'tokens', provider: 'openai', limits: [BUCKET] })
    expect(replaced.status).toBe(200)
    expect(replaced.body.configVersion).toBe(made.body.configVersion + 1)
    expect(replaced.headers.get('etag')).toBe(`"${replaced.body.configVersion}"`)
    expect((await api.get(path)).body).toEqual(replaced.body)
    expect((await api.get('/admin/resources/openai%2Fgpt-4%2Ftokens')).body).toEqual(replaced.body)
    expect((await api.delete(path)).status).toBe(204)
    expect((await api.get(path)).status).toBe(404)
    expect((await api.delete(path)).status).toBe(404)
  })

  test('is in force when the answer is there, and gone when it was removed', async () => {
    await api.put('/admin/resources/now', { unit: 'tokens', limits: [BUCKET] })
    const left = async () =>
      (await api.get('/api/resources/availability?id=now')).body.resources?.[0]?.available
    expect(await left()).toBe(100)
    await api.put('/admin/resources/now', { unit: 'tokens', limits: [{ ...BUCKET, capacity: 250 }] })
    expect(await left()).toBe(250)
    await api.delete('/admin/resources/now')
    expect(await left()).toBeUndefined()
  })

  test('a limit in slots takes units where the unit is slots, else reservations', async () => {
    const limits = [{ type: 'concurrency', slots: 3 }]
    const per = async (unit: string) =>
      (await api.put('/admin/resources/per', { unit, limits })).body.limits[0].per
    expect([await per('slots'), await per('calls')]).toEqual(['unit', 'reservation'])
  })

  test('every kind of limit is told as it was configured, with its defaults, and is in force', async () => {
    const window = { units: 600, windowMs: 60_000 }
    const limits = [
      { type: 'token-bucket', capacity: 600, refillUnits: 600, refillMs: 60_000, per: 'unit' },
      { type: 'sliding-window', ...window, units: 5, per: 'reservation' },
      { type: 'first-hit-window', ...window },
      { type: 'sliding-counter', ...window },
      { type: 'sliding-counter', ...window, phaseMs: 100 },
      { type: 'fixed-window', units: 600, period: 'month', timezone: 'UTC' },
      { type: 'clock-window', ...window, phaseMs: 500 },
      { type: 'quantized-window', ...window, stepMs: 30_000, phaseMs: 0 },
      { type: 'slew', ...window, growth: 0.25, growthMs: 600_000 },
      { type: 'spend-cap', units: 600, until: '2100-01-01T00:00:00.000Z' },
      { type: 'adaptive', ...window, floor: 0.5, decrease: 0.8, increase: 0.02 },
    ]
    const { body } = await api.put('/admin/resources/every', { unit: 'tokens', limits })
    expect(body.limits).toEqual(limits)
    expect((await api.get('/admin/resources/every')).body.limits).toEqual(limits)
    const [every] = (await api.get('/api/resources/availability?id=every')).body.resources
    expect(every.available).toBe(300)
    expect(every.limits.map(({ type }: { type: string }) => type)).toEqual(limits.map(({ type }) => type))
    const short = [
      { type: 'slew', ...window },
      { type: 'adaptive', ...window },
      { type: 'clock-window', ...window },
    ]
    expect((await api.put('/admin/resources/short', { unit: 'tokens', limits: short })).body.limits).toEqual([
      { type: 'slew', ...window, growth: 0.5, growthMs: 900_000 },
      { type: 'adaptive', ...window, floor: 0.1, decrease: 0.9, increase: 0.01 },
      { type: 'clock-window', ...window, phaseMs: 0 },
    ])
  })

  test('what pools lend is told as it was configured, with its defaults where part of it was', async () => {
    const pools = { reserved: 0.1, dedicated: { acme: 0.4 }, lending: { dedicated: 0.25 } }
    const { body } = await api.put('/admin/resources/lent', { unit: 'tokens', limits: [BUCKET], pools })
    expect(body.pools).toEqual({ ...pools, lending: { reserved: 0, dedicated: 0.25 } })
    expect((await api.get('/admin/resources/lent')).body.pools).toEqual(body.pools)
  })

  test('a limiter that does not answer is 503; the next change brings both', async () => {
    stand.isDeaf = true
    const unsure = await api.put('/admin/resources/unsure', { unit: 'tokens', limits: [BUCKET] })
    expect(unsure).toMatchObject({ status: 503, body: { code: 'unavailable' } })
    expect(unsure.headers.get('retry-after')).not.toBeNull()
    stand.isDeaf = false
    await api.put('/admin/resources/sure', { unit: 'tokens', limits: [BUCKET] })
    expect((await api.get('/api/resources/availability?id=unsure')).body.resources[0].available).toBe(100)
  })

  test.each<[sentence: string, path: string, body: object]>([
    [
      'a tier',
      '/admin/tiers/gold',
      { points: 40, weight: 4, maxConcurrent: 100, dedicated: true, monthlyBudgetUsd: null },
    ],
    [
      'a client with budgets',
      '/api/clients/acme',
      {
        tier: 'gold',
        maxConcurrent: 50,
        dailyRequests: null,
        priorityMax: 'urgent',
        budgets: [
          { unit: 'USD', amount: '1000', period: 'month', timezone: 'UTC', enforcement: 'hard' },
          {
            unit: 'USD',
            amount: '100',
            period: 'day',
            timezone: 'Europe/Berlin',
            enforcement: 'soft',
            graceMs: 3_600_000,
            overageMultiplier: '1.5',
            overageMax: '200',
          },
        ],
      },
    ],
    [
      'a template',
      '/api/templates/research-topic',
      {
        worker: 'topic_researcher',
        action: 'research',
        models: ['gpt-4', 'gpt-3.5-turbo'],
        resources: { 'openai/gpt-4/tokens': 1200 },
        expectedMs: null,
        deferrable: true,
      },
    ],
    [
      'a worker',
      '/api/workers/topic_researcher',
      {
        version: '1.0',
        capabilities: ['research'],
        resourceRequirements: {
          typical: { 'openai/gpt-4/tokens': 1200 },
          maximum: { 'openai/gpt-4/tokens': 8000 },
        },
        endpoints: { health: null, execute: 'http://127.0.0.1:1/execute', cancel: null },
        timeoutMs: 30_000,
        expectedMs: 4_000,
        retryPolicy: { maxAttempts: 3, backoffMs: [1_000, 5_000] },
        planned: false,
      },
    ],
  ])('%s is told as it was put', async (_sentence, path, body) => {
    expect((await api.put(path, body)).status).toBe(201)
    const { id: _, configVersion: __, ...told } = (await api.get(path)).body
    expect({ ...told, ...(told.budgets && { budgets: sorted(told.budgets) }) }).toEqual({
      ...body,
      ...('budgets' in body && { budgets: sorted(body.budgets as { period: string }[]) }),
    })
  })

  test('in use is not removed', async () => {
    expect(await api.delete('/admin/tiers/gold')).toMatchObject({ status: 409, body: { code: 'conflict' } })
  })

  test('prices are added, the newest first', async () => {
    const path = '/admin/prices/openai/gpt-4/tokens'
    expect(
      (await api.put(path, { perUnitUsd: '0.00003', effectiveFrom: '2024-01-01T00:00:00Z' })).status,
    ).toBe(201)
    expect((await api.put(path, { perUnitUsd: '0.00001', source: 'new list' })).status).toBe(200)
    const { items } = (await api.get(path)).body
    expect(items).toMatchObject([
      { perUnitUsd: '0.00001', source: 'new list' },
      { perUnitUsd: '0.00003', effectiveFrom: '2024-01-01T00:00:00.000Z' },
    ])
    expect((await api.get('/admin/prices/none')).status).toBe(404)
  })

  test('budgets of any scope are told with where they stand', async () => {
    const list = [{ unit: 'USD', amount: '5.5', period: 'total' }]
    const path = '/api/budgets/acme/session-7/swarm-1'
    expect((await api.put(path, { budgets: list })).status).toBe(201)
    const standing = {
      scope: 'acme/session-7/swarm-1',
      unit: 'USD',
      period: 'total',
      amount: '5.5',
      used: '0',
      held: '0',
      remaining: '5.5',
      resetsAt: null,
      enforcement: 'hard',
    }
    expect((await api.put(path, list)).body).toMatchObject([standing])
    expect((await api.get(path)).body).toMatchObject([standing])
    expect((await api.put('/api/budgets/global', list)).status).toBe(201)
    expect((await api.put('/api/budgets/global', [])).body).toEqual([])
  })
})

function sorted(budgets: readonly { readonly period: string }[]) {
  return budgets.toSorted((a, b) => (a.period < b.period ? -1 : 1))
}

describe('audit', () => {
  test('L1 tells who changed what, the newest first, a page at a time', async () => {
    const { key, keyId } = (await api.post('/admin/keys', { scopes: ['admin'], label: 'operator' })).body
    const tier = { points: 1, weight: 1 }
    await api.put('/admin/tiers/audited', tier)
    await api.put('/admin/tiers/audited', { ...tier, points: 2 }, { key })
    await api.delete('/admin/tiers/audited')
    const first = await api.get('/admin/audit?limit=2')
    const next = /^<(.+)>; rel="next"$/.exec(first.headers.get('link') ?? '')?.[1] ?? ''
    const [made] = (await api.get(next)).body.items
    expect([...first.body.items, made]).toMatchObject([
      { kind: 'tier', id: 'audited', actor: 'admin', before: { points: 2 }, after: null },
      { kind: 'tier', id: 'audited', actor: keyId, before: { points: 1 }, after: { points: 2 } },
      { kind: 'tier', id: 'audited', actor: 'admin', before: null, after: { points: 1 } },
    ])
    expect(first.body.items[0].version).toBe(made.version + 2)
    expect(Date.parse(made.at)).toBeGreaterThan(Date.now() - 60_000)
    expect(first.body.cursor).not.toBeNull()
    expect(await api.get('/admin/audit?cursor=a2V5IHg')).toMatchObject({ status: 400 })
  })
})
