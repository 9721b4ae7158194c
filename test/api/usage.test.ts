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

describe('export', () => {
  const NAMES =
    'ChargePeriodStart,ChargePeriodEnd,ChargeCategory,ChargeClass,SubAccountId,ProviderName,ResourceId,SkuId,' +
    'ConsumedQuantity,ConsumedUnit,BilledCost,BillingCurrency,x_RequestId,x_Attempt,x_Template,x_Worker,x_Scope,' +
    'x_IsAssumed,x_BookedAt'

  test('as CSV: a line for each booking, under the names of FOCUS', async () => {
    const { status, headers, body } = await api.get('/api/usage/acme/export')
    expect(status).toBe(200)
    expect(headers.get('content-type')).toBe('text/csv; charset=utf-8')
    const [header, ...lines] = String(body).trimEnd().split('\r\n')
    expect(header).toBe(NAMES)
    expect(lines).toHaveLength(3)
    expect(lines[0]).toContain(',Usage,,acme,,gpt/tokens,,7,tokens,0.007,USD,a,1,,,acme/s1,false,')
  })

  test('as NDJSON: the same columns', async () => {
    const { headers, body } = await api.get('/api/usage/acme/export?format=ndjson')
    expect(headers.get('content-type')).toMatch('application/x-ndjson')
    const lines = String(body).trimEnd().split('\n')
    const rows = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(rows.map((row) => row['x_RequestId'])).toEqual(['a', 'b', 'c'])
    expect(Object.keys(rows[0] ?? {}).join(',')).toBe(NAMES)
    expect(rows[0]).toMatchObject({ ConsumedQuantity: 7, BilledCost: '0.007', ChargeClass: null })
  })

  test('names that a spreadsheet would run are text; a negative cost stays a number (E2)', async () => {
    const session = '@SUM(1)'.replaceAll(/[()]/g, ':')
    const asked = { clientId: 'formula', resources: { 'gpt/tokens': 10 }, outcome: 'success' }
    await api.put('/api/clients/formula', { tier: 'standard' })
    const lines = await stand.sql`
      insert into usage_inbox
        (at, client_id, scope_path, template, worker, request_id, attempt, kind, resource, requests, units, cost)
      values (now(), ${asked.clientId}, ${session}, '=cmd', '-2+3', '+r', 1, 'correction', 'gpt/tokens', 0, -2, -5)
      returning id`
    expect(lines).toHaveLength(1)
    const { body } = await api.get('/api/usage/formula/export')
    expect(body).toContain(",-2,tokens,-0.000000005,USD,'+r,1,'=cmd,'-2+3,'@SUM:1:,false,")
  })

  test('nothing in the span is a header alone; a bad span, format or key is refused', async () => {
    expect((await api.get('/api/usage/acme/export?from=2020-01-01&to=2020-01-02')).body).toBe(`${NAMES}\r\n`)
    expect((await api.get('/api/usage/acme/export?format=xml')).body).toMatchObject({
      errors: [{ pointer: '?format' }],
    })
    expect((await api.get('/api/usage/acme/export?from=2999-01-01')).status).toBe(400)
    expect((await api.get('/api/usage/nobody/export')).status).toBe(404)
    const { key } = (await api.post('/admin/keys', { clientId: 'other', scopes: ['read'], label: 'o' })).body
    expect((await api.get('/api/usage/acme/export', { key })).status).toBe(403)
  })
})
