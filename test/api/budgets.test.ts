// Budgets over the wire: who may give, who may only lower, and what is told.

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

const PATH = '/api/budgets/acme'
const MONTH = { unit: 'USD', amount: '10', period: 'month' }

async function keyOf(scopes: readonly string[], clientId: string | null = 'acme') {
  const { body } = await api.post('/admin/keys', { scopes, clientId, label: 'test' })
  return { key: body.key as string }
}

describe('U1, P1: a key of a client lowers, and raises nothing', () => {
  const SOFT = { enforcement: 'soft', overageMax: '1' }
  const tried: Record<string, readonly [list: readonly object[], told: RegExp]> = {
    'a higher amount': [[{ ...MONTH, amount: '10.01' }], /raises the amount from 10 to 10.01/],
    'a cap removed': [[], /removes the month budget of USD of "acme"/],
    'a longer period': [[{ ...MONTH, period: 'total' }], /removes the month budget/],
    'a softer enforcement': [[{ ...MONTH, ...SOFT }], /softens the enforcement/],
  }
  test.for(Object.entries(tried))('%s', async ([, [list, told]]) => {
    await api.put(PATH, [MONTH])
    for (const scope of ['admin', 'internal']) {
      const answer = await api.put(PATH, list, await keyOf([scope]))
      expect(answer).toMatchObject({ status: 403, body: { code: 'forbidden' } })
      expect(answer.body.detail).toMatch(told)
    }
    expect((await api.get(PATH)).body).toMatchObject([{ amount: '10', period: 'month', enforcement: 'hard' }])
  })

  test('a lower amount and a new cap are taken, another client’s are not', async () => {
    await api.put(PATH, [MONTH])
    const key = await keyOf(['internal'])
    const lower = [
      { ...MONTH, amount: '9' },
      { ...MONTH, period: 'day', amount: '1000' },
    ]
    expect(await api.put(PATH, lower, key)).toMatchObject({ status: 200 })
    expect((await api.put('/api/budgets/global', [], key)).status).toBe(403)
    expect((await api.put('/api/budgets/other', [], key)).status).toBe(403)
    expect((await api.delete(PATH, key)).status).toBe(403)
  })

  test.each([
    ['increase', { expiresAt: '2099-01-01T00:00:00.000Z' }],
    ['top-up', {}],
    ['credit', {}],
  ])('%s', async (kind, more) => {
    await api.put(PATH, [MONTH])
    const addition = { kind, id: `own-${kind}`, unit: 'USD', period: 'month', amount: '5', ...more }
    const answer = await api.post(PATH, addition, await keyOf(['admin']))
    expect(answer).toMatchObject({ status: 403, body: { code: 'forbidden' } })
    expect(answer.body.detail).toContain(`adds a ${kind} of 5 USD to the month budget of "acme"`)
  })
})

test('a carve-out from giving it to the end of its scope', async () => {
  await api.put(PATH, [{ unit: 'USD', amount: '1', period: 'total' }])
  const key = await keyOf(['internal'])
  const run = '/api/budgets/acme/s/w/run-1'
  const carved = (amount: string) => [{ unit: 'USD', amount, period: 'total', carvedFrom: 'acme' }]
  expect(await api.put(run, carved('0.6'), key)).toMatchObject({
    status: 201,
    body: [{ scope: 'acme/s/w/run-1', amount: '0.6', remaining: '0.6', carvedFrom: 'acme' }],
  })
  expect((await api.get(PATH)).body).toMatchObject([
    { held: '0.6', remaining: '0.4', carveOuts: [{ scope: 'acme/s/w/run-1', amount: '0.6', kept: '0.6' }] },
  ])
  expect(await api.put('/api/budgets/acme/s/w/run-2', carved('0.5'), key)).toMatchObject({
    status: 402,
    body: { code: 'budget-exceeded', scope: 'acme', needed: '0.5', remaining: '0.4', resetsAt: null },
  })
  expect(
    await api.put(
      '/api/budgets/acme/s/w/run-2',
      carved('0.1').map((one) => ({ ...one, carvedFrom: 'other' })),
    ),
  ).toMatchObject({
    status: 400,
    body: { errors: [{ pointer: '/budgets/0/carvedFrom' }] },
  })
  const reserved = await api.post('/internal/reserve', {
    reservationId: 'in-run',
    clientId: 'acme',
    resources: { 'gpt/tokens': 1 },
    costUsd: '0.25',
    scope: { session: 's', swarm: 'w', run: 'run-1' },
  })
  expect(reserved.status).toBe(201)
  await api.post('/internal/release', { reservationId: 'in-run', costUsd: '0.2' })
  expect(await api.delete(run, key)).toMatchObject({
    status: 200,
    body: { returned: [{ scope: 'acme/s/w/run-1', unit: 'USD', amount: '0.4', stillHeld: '0' }] },
  })
  expect((await api.delete(run, key)).body).toMatchObject({ returned: [] })
  expect((await api.get(PATH)).body).toMatchObject([
    { used: '0.2', held: '0', remaining: '0.8', carveOuts: [] },
  ])
})

test('additions are told, and made once', async () => {
  await api.put(PATH, [MONTH])
  const topUp = { kind: 'top-up', id: 'top-1', unit: 'USD', period: 'month', amount: '5' }
  const credit = { kind: 'credit', id: 'credit-1', unit: 'USD', period: 'month', amount: '2', priority: 1 }
  expect((await api.post(PATH, topUp)).status).toBe(201)
  const again = await api.post(PATH, topUp)
  expect([again.status, again.headers.get('idempotent-replayed')]).toEqual([200, 'true'])
  expect(await api.post(PATH, { ...topUp, amount: '6' })).toMatchObject({
    status: 409,
    body: { code: 'idempotency-mismatch' },
  })
  await api.post(PATH, credit)
  const [month] = (await api.get(PATH)).body
  expect(month).toMatchObject({
    amount: '15',
    configured: '10',
    raises: [{ id: 'top-1', kind: 'top-up', amount: '5' }],
    credits: [{ id: 'credit-1', amount: '2', remaining: '2', priority: 1, expiresAt: null }],
  })
})

test('a soft rolling budget with its thresholds is taken, kept and told', async () => {
  const grace = { enforcement: 'soft', graceMs: 60_000, overageMultiplier: '1.5', overageMax: '2' }
  const given = {
    unit: 'USD',
    amount: '1',
    period: 'rolling',
    windowMs: 86_400_000,
    thresholds: [90],
    ...grace,
  }
  expect(await api.put(PATH, [given])).toMatchObject({ status: 200 })
  expect((await api.get(PATH)).body).toMatchObject([
    { period: 'rolling', windowMs: 86_400_000, enforcement: 'soft', thresholds: [90], remaining: '1' },
  ])
})

describe('what is no budget', () => {
  const ROLLING = { unit: 'USD', amount: '1', period: 'rolling', windowMs: 86_400_000 }
  test.each([
    ['a rolling one without its window', { ...ROLLING, windowMs: undefined }, '/budgets/0/windowMs'],
    ['a window of a calendar period', { ...MONTH, windowMs: 60_000 }, '/budgets/0/windowMs'],
    ['a rolling one in a time zone', { ...ROLLING, timezone: 'Europe/Vienna' }, '/budgets/0/timezone'],
    ['a carve-out by month', { ...MONTH, carvedFrom: 'global' }, '/budgets/0/period'],
    ['a threshold twice', { ...MONTH, thresholds: [50, 50] }, '/budgets/0/thresholds'],
  ])('%s', async (_, budget, pointer) => {
    const { status, body } = await api.put(PATH, [budget])
    expect({ status, pointers: body.errors.map((one: { pointer: string }) => one.pointer) }).toEqual({
      status: 400,
      pointers: [pointer],
    })
  })

  test('a carve-out in a configuration', async () => {
    const budgets = [{ unit: 'USD', amount: '1', period: 'total', carvedFrom: 'global' }]
    const answer = await api.put('/api/clients/acme', { tier: 'standard', budgets })
    expect(answer).toMatchObject({ status: 400, body: { errors: [{ pointer: '/budgets/0/carvedFrom' }] } })
  })
})

test('events are read from any point on, by a client its own alone', async () => {
  await api.put(PATH, [MONTH])
  const before = (await api.get('/api/events?limit=200')).body.items
  await api.post('/internal/reserve', {
    reservationId: 'heard',
    clientId: 'acme',
    resources: { 'gpt/tokens': 1 },
    costUsd: '0',
  })
  const after = before.at(-1)?.sequence ?? 0
  const { body } = await api.get(`/api/events?after=${after}`, await keyOf(['read']))
  expect(body.items[0]).toMatchObject({ type: 'reservation.admitted', requestId: 'heard', clientId: 'acme' })
  expect(body.items[0].sequence).toBeGreaterThan(after)
  const other = await api.get(`/api/events?after=${after}`, await keyOf(['read'], 'other'))
  expect(other.body).toEqual({ items: [], cursor: null })
})

test('the cursor of a page of events leads to the next one', async () => {
  await api.post('/internal/reserve', {
    reservationId: 'paged',
    clientId: 'acme',
    resources: { 'gpt/tokens': 1 },
    costUsd: '0',
  })
  const [first, second] = (await api.get('/api/events?limit=2')).body.items
  const page = (await api.get('/api/events?limit=1')).body
  expect(page.items).toEqual([first])
  expect((await api.get(`/api/events?limit=1&cursor=${page.cursor}`)).body.items).toEqual([second])
})
