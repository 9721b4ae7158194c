// Configuration that is not valid is refused with a pointer to each fault.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BUCKET, clientOf, type Client } from './client.ts'
import { openStand, type Stand } from './stand.ts'

let stand: Stand
let api: Client
beforeAll(async () => {
  stand = await openStand()
  api = clientOf(stand)
  await api.put('/admin/tiers/gold', { points: 40, weight: 4 })
  await api.put('/admin/resources/kept', { unit: 'tokens', limits: [BUCKET] })
  await api.put('/api/clients/acme', { tier: 'gold' })
})
afterAll(() => stand.close())

describe('what is not valid is refused with its pointer, and nothing is written', () => {
  test.each<[sentence: string, path: string, body: unknown, pointers: readonly string[]]>([
    ['an unknown field', '/admin/resources/r', { unit: 'x', limits: [], colour: 'red' }, ['/colour']],
    [
      'pools that leave nothing to share',
      '/admin/resources/r',
      { unit: 'x', limits: [], pools: { reserved: 0.5, dedicated: { acme: 0.5 } } },
      ['/pools'],
    ],
    [
      'a share above the whole, and one finer than a ten-thousandth',
      '/admin/resources/r',
      { unit: 'x', limits: [], guaranteedShare: 1.5, pools: { reserved: 0.00005 } },
      ['/guaranteedShare', '/pools/reserved'],
    ],
    ['a cache', '/api/templates/t', { worker: 'w', cache: { ttlMs: 1 }, batch: {} }, ['/batch', '/cache']],
    ['a missing field', '/admin/resources/r', { limits: [] }, ['/unit']],
    [
      'a field of another kind of limit',
      '/admin/resources/r',
      { unit: 'x', limits: [{ ...BUCKET, windowMs: 5 }] },
      ['/limits/0/windowMs'],
    ],
    [
      'an unknown kind of limit',
      '/admin/resources/r',
      { unit: 'x', limits: [{ type: 'leaky' }] },
      ['/limits/0/type'],
    ],
    [
      'a fraction',
      '/admin/resources/r',
      { unit: 'x', limits: [{ ...BUCKET, capacity: 1.5 }] },
      ['/limits/0/capacity'],
    ],
    [
      'a delay beyond the shortest window of a known phase',
      '/admin/resources/r',
      { unit: 'x', limits: [{ type: 'fixed-window', units: 5, period: 'day' }], jitterMs: 60_001 },
      ['/jitterMs'],
    ],
    [
      'a delay beyond the step of a quantized window',
      '/admin/resources/r',
      {
        unit: 'x',
        limits: [
          { type: 'quantized-window', units: 600, windowMs: 60_000, stepMs: 1_000, phaseMs: 0 },
          { type: 'quantized-window', units: 600, windowMs: 60_000, stepMs: 1_000 },
        ],
        jitterMs: 1_001,
      },
      ['/jitterMs'],
    ],
    [
      'a step in which nothing passes, and a phase beyond its window',
      '/admin/resources/r',
      {
        unit: 'x',
        limits: [
          { type: 'quantized-window', units: 59, windowMs: 60_000, stepMs: 1_000 },
          { type: 'clock-window', units: 5, windowMs: 1_000, phaseMs: 1_000 },
        ],
      },
      ['/limits/0/stepMs', '/limits/1/phaseMs'],
    ],
    [
      'pools of a limit that holds for the whole',
      '/admin/resources/r',
      { unit: 'x', limits: [{ type: 'slew', units: 5, windowMs: 60_000 }], pools: { reserved: 0.1 } },
      ['/pools'],
    ],
    [
      'a growth slower than its window, a cap without a date, a decrease above the whole',
      '/admin/resources/r',
      {
        unit: 'x',
        limits: [
          { type: 'slew', units: 5, windowMs: 60_000, growthMs: 59_999 },
          { type: 'spend-cap', units: 5, until: 'tomorrow' },
          { type: 'adaptive', units: 5, windowMs: 1_000, decrease: 1.1 },
        ],
      },
      ['/limits/0/growthMs', '/limits/1/until', '/limits/2/decrease'],
    ],
    ['points above 40', '/admin/tiers/t', { points: 41, weight: 1 }, ['/points']],
    [
      'money as a number',
      '/admin/tiers/t',
      { points: 1, weight: 1, monthlyBudgetUsd: 5 },
      ['/monthlyBudgetUsd'],
    ],
    [
      'ten decimals',
      '/admin/tiers/t',
      { points: 1, weight: 1, monthlyBudgetUsd: '0.1234567891' },
      ['/monthlyBudgetUsd'],
    ],
    ['a negative price', '/admin/prices/r', { perUnitUsd: '-1' }, ['/perUnitUsd']],
    [
      'a budget of USD as an integer',
      '/api/budgets/acme',
      [{ unit: 'USD', amount: 5, period: 'day' }],
      ['/budgets/0/amount'],
    ],
    [
      'a time zone that is none',
      '/api/budgets/acme',
      [{ unit: 'USD', amount: '5', period: 'day', timezone: 'Mars' }],
      ['/budgets/0/timezone'],
    ],
    ['a worker nobody can reach', '/api/workers/w', {}, ['/endpoints']],
    [
      'a task queue, which is not served yet',
      '/api/workers/w',
      { taskQueue: 'q', endpoints: { execute: 'http://x' } },
      ['/taskQueue'],
    ],
    [
      'an address that is none',
      '/api/workers/w',
      { endpoints: { execute: 'file:///etc' } },
      ['/endpoints/execute'],
    ],
    ['the root as a client', '/api/clients/global', { tier: 'gold' }, ['/clientId']],
    ['a name with a slash that would be a scope', '/api/clients/a%2Fb', { tier: 'gold' }, ['/clientId']],
    [
      'a prototype',
      '/admin/tiers/t',
      JSON.parse('{"points":1,"weight":1,"__proto__":{"x":1}}'),
      ['/__proto__'],
    ],
    ['no object at all', '/admin/tiers/t', 'x', ['']],
  ])('%s', async (_sentence, path, body, pointers) => {
    const before = (await api.get('/admin/config')).headers.get('etag')
    const { status, body: problem } = await api.put(path, body)
    expect({ status, code: problem.code }).toEqual({ status: 400, code: 'invalid-request' })
    expect(problem.errors.map(({ pointer }: { pointer: string }) => pointer).toSorted()).toEqual(pointers)
    expect((await api.get('/admin/config')).headers.get('etag')).toBe(before)
  })

  test('an unknown tier of a client, an unknown unit of a budget', async () => {
    expect(await api.put('/api/clients/c', { tier: 'none' })).toMatchObject({
      status: 422,
      body: { code: 'unknown-tier', tier: 'none' },
    })
    expect(await api.put('/api/budgets/c', [{ unit: 'no/such', amount: 5, period: 'day' }])).toMatchObject({
      status: 422,
      body: { code: 'unknown-resource' },
    })
  })
})
