// Prices with all their terms over the wire, and what a request cost by them.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { clientOf, furnish, type Client } from './client.ts'
import { openStand, type Stand } from './stand.ts'

let stand: Stand
let api: Client
beforeAll(async () => {
  stand = await openStand()
  api = clientOf(stand)
  await furnish(api)
})
afterAll(() => stand.close())

const FULL = {
  effectiveFrom: '2026-08-17T00:00:00.000Z',
  effectiveTo: '2028-01-01T00:00:00.000Z',
  clientId: 'acme',
  unit: 'tokens',
  perUnitUsd: '0.00000022',
  thresholds: [{ above: 200_000, perUnitUsd: '0.00000044' }],
  thresholdsOf: 'deepseek/v4-flash/input-tokens',
  windows: [
    {
      days: ['mon', 'fri'],
      from: '22:30',
      to: '04:00',
      perUnitUsd: '0.00000044',
      thresholds: [],
    },
    { days: [], from: '06:00', to: '24:00', perUnitUsd: '0.00000022', thresholds: [] },
  ],
  timezone: 'Asia/Shanghai',
  perCallUsd: '0.3',
  minimumUsd: '0.01',
  partOf: 'deepseek/v4-flash/input-tokens',
  freePerMonth: 500_000,
  checkedOn: '2026-11-20',
  source: 'price list',
}
const PATH = '/admin/prices/deepseek/v4-flash/cache-read-tokens'

test('all terms of a price are told as they were given', async () => {
  expect(await api.put(PATH, FULL)).toMatchObject({ status: 201, body: FULL })
  expect((await api.get(PATH)).body.items).toEqual([
    { resourceId: 'deepseek/v4-flash/cache-read-tokens', ...FULL },
  ])
  const { prices } = (await api.get('/admin/config')).body
  expect(prices['deepseek/v4-flash/cache-read-tokens']).toEqual([FULL])
})

describe('what is no price is refused with its pointer', () => {
  const window = { from: '01:00', to: '04:00', perUnitUsd: '1' }
  test.each<[sentence: string, body: object, pointer: string]>([
    ['an unknown field', { perUnitUsd: '1', multiplier: '0.5' }, '/multiplier'],
    ['a price that is a number', { perUnitUsd: 0.5 }, '/perUnitUsd'],
    [
      'thresholds out of order',
      {
        perUnitUsd: '1',
        thresholds: [
          { above: 2, perUnitUsd: '1' },
          { above: 2, perUnitUsd: '2' },
        ],
      },
      '/thresholds',
    ],
    ['a counted resource without thresholds', { perUnitUsd: '1', thresholdsOf: 'a' }, '/thresholdsOf'],
    ['an empty window', { perUnitUsd: '1', windows: [{ ...window, to: '01:00' }] }, '/windows/0/to'],
    ['an hour that no day has', { perUnitUsd: '1', windows: [{ ...window, to: '25:00' }] }, '/windows/0/to'],
    ['a time zone that is none', { perUnitUsd: '1', timezone: 'Mars' }, '/timezone'],
    [
      'an end before the beginning',
      { perUnitUsd: '1', effectiveFrom: '2026-02-01T00:00:00Z', effectiveTo: '2026-01-01T00:00:00Z' },
      '/effectiveTo',
    ],
    ['an end without a beginning', { perUnitUsd: '1', effectiveTo: '2036-01-01T00:00:00Z' }, '/effectiveTo'],
    ['a part of itself', { perUnitUsd: '1', partOf: 'gpt/tokens' }, '/partOf'],
    ['another unit than the resource counts', { perUnitUsd: '1', unit: 'thousands' }, '/unit'],
  ])('%s', async (_sentence, body, pointer) => {
    const answer = await api.put('/admin/prices/gpt/tokens', body)
    expect(answer).toMatchObject({ status: 400, body: { code: 'invalid-request' } })
    expect(answer.body.errors.map((error: { pointer: string }) => error.pointer)).toEqual([pointer])
  })

  test('in the whole configuration too', async () => {
    const config = (await api.get('/admin/config')).body
    const prices = { ...config.prices, gpu: [{ perUnitUsd: '1', partOf: 'gpu' }] }
    const answer = await api.put('/admin/config', { ...config, prices }, { headers: { 'if-match': '*' } })
    expect(answer).toMatchObject({ status: 400, body: { errors: [{ pointer: '/prices/gpu/0/partOf' }] } })
  })
})

test('a client pays its own price, and the cost tells by which', async () => {
  await api.put('/api/clients/bulk', { tier: 'standard' })
  const own = { perUnitUsd: '0.0005', clientId: 'bulk', effectiveFrom: '2020-01-01T00:00:00.000Z' }
  await api.put('/admin/prices/gpt/tokens', { ...own, source: 'contract' })
  const ask = (clientId: string) => ({ clientId, resources: { 'gpt/tokens': 10 } })
  expect((await api.post('/api/cost/estimate', ask('acme'))).body.expectedUsd).toBe('0.01')
  expect((await api.post('/api/cost/estimate', ask('bulk'))).body.expectedUsd).toBe('0.005')

  await api.post('/internal/reserve', { reservationId: 'b1', maxWaitMs: 0, ...ask('bulk') })
  await api.post('/internal/release', { reservationId: 'b1', actual: { 'gpt/tokens': 4 } })
  expect((await api.get('/api/cost/b1')).body).toMatchObject({
    actualUsd: '0.002',
    lines: [
      {
        resource: 'gpt/tokens',
        units: 4,
        freeUnits: 0,
        perUnitUsd: '0.0005',
        source: 'contract',
        effectiveFrom: own.effectiveFrom,
      },
    ],
  })
})
