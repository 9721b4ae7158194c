// Reservations without a worker: what was used, and what is left after the release.

import { afterAll, beforeEach, beforeAll, describe, expect, test } from 'vitest'
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

describe('released', () => {
  test('gives back what was not used, and tells what is left', async () => {
    await api.post('/internal/reserve', ask('r1', 40))
    const { status, body } = await api.post('/internal/release', {
      reservationId: 'r1',
      actual: { [resource]: 10 },
    })
    expect(status).toBe(200)
    expect(body).toEqual({
      reservationId: 'r1',
      state: 'settled',
      settled: { [resource]: 10 },
      costUsd: '0.01',
      left: { [resource]: 90 },
      late: false,
    })
    expect((await api.get('/internal/reserve/r1')).body).toMatchObject({ state: 'settled', heldUsd: '0' })
  })

  test('with more than was reserved leaves a debt', async () => {
    await api.post('/internal/reserve', ask('r2', 100))
    const { body } = await api.post('/internal/release', { reservationId: 'r2', actual: { [resource]: 130 } })
    expect(body).toMatchObject({ costUsd: '0.13', left: { [resource]: -30 } })
  })

  test.each<[sentence: string, body: object, want: object]>([
    ['without a figure it used what it reserved', {}, { settled: { units: 40 }, costUsd: '0.04' }],
    ['with an empty figure it used nothing', { actual: {} }, { settled: { units: 0 }, costUsd: '0' }],
    ['with zero it used nothing', { actual: { units: 0 } }, { settled: { units: 0 }, costUsd: '0' }],
    ["the holder's own cost counts", { costUsd: '0.5' }, { settled: { units: 40 }, costUsd: '0.5' }],
  ])('%s', async (sentence, given, want) => {
    const id = sentence.replaceAll(/[^a-z]/gi, '-').slice(0, 60)
    await api.post('/internal/reserve', ask(id, 40))
    const named = (value: object) =>
      JSON.parse(JSON.stringify(value).replaceAll('"units"', `"${resource}"`)) as object
    const { body } = await api.post('/internal/release', { reservationId: id, ...named(given) })
    expect(body).toMatchObject(named(want))
  })

  test('twice is once; with another content it is a conflict', async () => {
    await api.post('/internal/reserve', ask('r3', 40))
    const release = { reservationId: 'r3', actual: { [resource]: 10 } }
    const first = await api.post('/internal/release', release)
    const again = await api.post('/internal/release', release)
    expect(again.status).toBe(200)
    expect(again.body).toEqual(first.body)
    expect(again.headers.get('idempotent-replayed')).toBe('true')
    expect(first.headers.get('idempotent-replayed')).toBeNull()
    expect(await left()).toBe(90)
    const other = await api.post('/internal/release', { ...release, actual: { [resource]: 11 } })
    expect(other).toMatchObject({ status: 409, body: { code: 'conflict' } })
  })

  test('a resource that the figures leave out used nothing', async () => {
    const resources = { [resource]: 40, gpu: 1 }
    await api.post('/internal/reserve', ask('r4', 40, { resources }))
    const { body } = await api.post('/internal/release', { reservationId: 'r4', actual: { [resource]: 10 } })
    expect(body.settled).toEqual({ [resource]: 10, gpu: 0 })
    expect((await api.get('/internal/reserve/r4')).body.settled).toEqual(body.settled)
  })

  test('after the lease has ended it is taken once, as late', async () => {
    await api.post('/internal/reserve', ask('late', 40, { ttlMs: 1_000 }))
    await stand.advance(1_001)
    expect((await api.get('/internal/reserve/late')).body).toMatchObject({ state: 'expired' })
    const release = { reservationId: 'late', actual: { [resource]: 30 } }
    const { body } = await api.post('/internal/release', release)
    expect(body).toMatchObject({ state: 'settled', late: true, costUsd: '0.03' })
    expect((await api.post('/internal/release', release)).body).toEqual(body)
  })

  test('with an unknown outcome it stays held until somebody knows', async () => {
    await api.post('/internal/reserve', ask('unknown', 40))
    const held = await api.post('/internal/release', { reservationId: 'unknown', outcome: 'unknown' })
    expect(held).toMatchObject({ status: 200, body: { state: 'held' } })
    expect((await api.get('/internal/reserve/unknown')).body).toMatchObject({ heldUsd: '0.04' })
    const { body } = await api.post('/internal/release', {
      reservationId: 'unknown',
      actual: { [resource]: 5 },
    })
    expect(body).toMatchObject({ state: 'settled', costUsd: '0.005' })
  })

  test.each<[sentence: string, body: object, want: object]>([
    ['of an unknown id is 404', { reservationId: 'nobody' }, { status: 404, body: { code: 'not-found' } }],
    [
      'of an unknown resource is 422',
      { reservationId: 'r1', actual: { 'no/such': 1 } },
      { status: 422, body: { code: 'unknown-resource', resource: 'no/such' } },
    ],
  ])('%s', async (_sentence, body, want) => {
    expect(await api.post('/internal/release', body)).toMatchObject(want)
  })
})

describe('consume', () => {
  test('tells the running total and renews the lease', async () => {
    await api.post('/internal/reserve', ask('c1', 40, { ttlMs: 10_000 }))
    const { status, body } = await api.post('/internal/consume', {
      reservationId: 'c1',
      consumed: { [resource]: 15 },
      extendMs: 50_000,
    })
    expect({ status, body }).toMatchObject({
      status: 200,
      body: { state: 'granted', consumed: { [resource]: 15 } },
    })
    expect((await api.get('/internal/reserve/c1')).body.expiresAt).toBe(body.expiresAt)
    await stand.advance(20_000)
    expect((await api.get('/internal/reserve/c1')).body).toMatchObject({ state: 'granted' })
    await stand.advance(40_000)
    expect((await api.get('/internal/reserve/c1')).body).toMatchObject({
      state: 'expired',
      settled: { [resource]: 15 },
    })
  })

  test('is not answered before the limiter has renewed the lease', async () => {
    await api.post('/internal/reserve', ask('c3', 40))
    stand.isDeaf = true
    const { status, headers, body } = await api.post('/internal/consume', {
      reservationId: 'c3',
      consumed: {},
    })
    stand.isDeaf = false
    expect({ status, body }).toMatchObject({ status: 503, body: { code: 'unavailable', requestId: 'c3' } })
    expect(headers.get('retry-after')).toBe('1')
    expect(await api.post('/internal/consume', { reservationId: 'c3', consumed: {} })).toMatchObject({
      status: 200,
    })
  })

  test('of what is not granted is refused', async () => {
    expect(await api.post('/internal/consume', { reservationId: 'nobody' })).toMatchObject({ status: 404 })
    await api.post('/internal/reserve', ask('c2', 40))
    await api.post('/internal/release', { reservationId: 'c2' })
    const after = await api.post('/internal/consume', { reservationId: 'c2', consumed: { [resource]: 1 } })
    expect(after).toMatchObject({ status: 409, body: { code: 'conflict', state: 'settled' } })
  })
})
