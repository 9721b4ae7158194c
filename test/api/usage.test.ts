import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { clientOf, furnish, type Client } from './client.ts'
import { openStand, type Stand } from './stand.ts'

let stand: Stand
let api: Client
beforeAll(async () => {
  stand = await openStand()
  api = clientOf(stand)
  await furnish(api)
  for (const [id, session] of [
    ['a', 's1'],
    ['b', 's2'],
    ['c', null],
  ] as const) {
    const scope = { session }
    const asked = { reservationId: id, clientId: 'acme', resources: { 'gpt/tokens': 10 }, scope }
    expect((await api.post('/internal/reserve', asked)).status).toBe(201)
    await api.post('/internal/release', { reservationId: id, actual: { 'gpt/tokens': 7 } })
  }
})
afterAll(() => stand.close())

const today = () => new Date().toISOString().slice(0, 10)

describe('usage of a client', () => {
  test('by day, this month up to now where nothing is said', async () => {
    const { status, body } = await api.get('/api/usage/acme')
    expect(status).toBe(200)
    const sums = { requests: 3, resources: { 'gpt/tokens': 21 }, costUsd: '0.021' }
    expect(body).toMatchObject({
      clientId: 'acme',
      groupBy: 'day',
      from: `${today().slice(0, 7)}-01T00:00:00.000Z`,
      total: sums,
      items: [{ key: today(), ...sums }],
      cursor: null,
    })
  })

  test('a page at a time, as the Link says', async () => {
    const first = await api.get('/api/usage/acme?groupBy=scope&limit=2')
    expect(first.body.items.map(({ key }: { key: string }) => key)).toEqual(['acme', 'acme/s1'])
    const next = /<(.*)>; rel="next"/.exec(first.headers.get('link') ?? '')?.[1] ?? ''
    const second = await api.get(next)
    expect(second.body).toMatchObject({ items: [{ key: 'acme/s2', requests: 1 }], cursor: null })
    expect(second.headers.get('link')).toBeNull()
  })

  test('a day is included, at both ends', async () => {
    const { body } = await api.get(`/api/usage/acme?from=${today()}&to=${today()}`)
    expect(body).toMatchObject({ from: `${today()}T00:00:00.000Z`, total: { requests: 3 } })
    const empty = await api.get('/api/usage/acme?from=2020-01-01&to=2020-01-31')
    expect(empty).toMatchObject({
      status: 200,
      body: { total: { requests: 0, resources: {}, costUsd: '0' }, items: [] },
    })
  })

  test('without a resource that names one, the model is null', async () => {
    const { body } = await api.get('/api/usage/acme?groupBy=model')
    expect(body.items).toEqual([
      { key: null, requests: null, resources: { 'gpt/tokens': 21 }, costUsd: '0.021' },
    ])
  })

  const refused: Record<string, { readonly query: string; readonly pointer: string }> = {
    'a date that does not exist': { query: 'from=2026-02-30', pointer: '?from' },
    'a time without a zone': { query: 'to=2026-02-01T10:00:00', pointer: '?to' },
    'a span that ends before it begins': { query: 'from=2026-02-02&to=2026-02-01', pointer: '?from' },
    'a span that begins in the future': { query: 'from=2999-01-01', pointer: '?from' },
    'an unknown group': { query: 'groupBy=colour', pointer: '?groupBy' },
    'an unknown parameter': { query: 'colour=red', pointer: '?colour' },
    'a cursor of another list': { query: 'cursor=MTIzIGFiYw', pointer: '?cursor' },
    'a page that is too long': { query: 'limit=201', pointer: '?limit' },
  }
  test.for(Object.entries(refused))('%s is refused, with its parameter', async ([, { query, pointer }]) => {
    const { status, body } = await api.get(`/api/usage/acme?${query}`)
    expect({
      status,
      code: body.code,
      pointers: body.errors.map((one: { pointer: string }) => one.pointer),
    }).toEqual({
      status: 400,
      code: 'invalid-request',
      pointers: [pointer],
    })
  })

  test('a key that is bound to another client sees nothing of it; an unknown client is 404', async () => {
    const made = await api.post('/admin/keys', { clientId: 'other', scopes: ['read'], label: 'other' })
    const { key } = made.body
    expect((await api.get('/api/usage/acme', { key })).status).toBe(403)
    expect((await api.get('/api/usage/nobody')).status).toBe(404)
  })
})
