// Who may do what, and every way in which a request is not one.

import { request as httpRequest } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { PROBLEMS } from '../../api/problem.ts'
import { ROUTES } from '../../api/routes/all.ts'
import { clientOf, furnish, type Client } from './client.ts'
import { openStand, type Stand } from './stand.ts'

let stand: Stand
let api: Client
beforeAll(async () => {
  stand = await openStand()
  api = clientOf(stand)
  await furnish(api)
  await api.put('/api/clients/other', { tier: 'standard' })
})
afterAll(() => stand.close())

async function keyWith(scopes: readonly string[], clientId: string | null = null): Promise<string> {
  const { status, body } = await api.post('/admin/keys', { scopes, clientId, label: 'test' })
  expect(status).toBe(201)
  return body.key
}

const OPEN = ['/', '/health', '/livez', '/readyz', '/openapi.json']

describe('keys', () => {
  test.each(OPEN)('%s needs none', async (path) => {
    expect((await api.get(path, { key: null })).status).toBe(200)
  })

  test('every other route needs one, before anything else is looked at', async () => {
    for (const { method, path } of ROUTES.filter(({ path }) => !OPEN.includes(path))) {
      const response = await fetch(stand.url + path.replaceAll(/\{\w+\}/g, 'x'), {
        method,
        ...(method !== 'get' && { body: '{' }),
      })
      expect({ method, path, status: response.status }).toEqual({ method, path, status: 401 })
      expect(response.headers.get('www-authenticate')).toBe('Bearer')
    }
  })

  test.each(['Bearer nonsense', 'Basic eDp5', 'Bearer', ''])('%s is no key', async (authorization) => {
    const response = await fetch(`${stand.url}/status`, { headers: { authorization } })
    expect(response.status).toBe(401)
    expect(await response.json()).toMatchObject({ code: 'unauthenticated' })
  })

  test('are shown once, listed without their secret, and revoked at once', async () => {
    const made = await api.post('/admin/keys', { scopes: ['read'], label: 'dashboard' })
    const { key, keyId } = made.body
    expect(made.body).toMatchObject({ clientId: null, scopes: ['read'], label: 'dashboard', expiresAt: null })
    expect((await api.get('/status', { key })).status).toBe(200)
    const { items } = (await api.get('/admin/keys')).body
    expect(items.find((one: { keyId: string }) => one.keyId === keyId)).toMatchObject({ label: 'dashboard' })
    expect(JSON.stringify(items)).not.toContain(key)
    const stored = await stand.sql`select hash from api_key where id = ${keyId}`
    expect(stored[0]?.['hash']).not.toBe(key)
    expect((await api.delete(`/admin/keys/${keyId}`)).status).toBe(204)
    expect((await api.get('/status', { key })).status).toBe(401)
    expect((await api.delete(`/admin/keys/${keyId}`)).status).toBe(404)
  })

  test('are listed in pages, each of them once', async () => {
    const made: string[] = []
    for (const label of ['a', 'b', 'c'])
      made.push((await api.post('/admin/keys', { scopes: ['read'], label })).body.keyId)
    const listed: string[] = []
    for (let path: string | undefined = '/admin/keys?limit=2'; path !== undefined;) {
      const { headers, body } = await api.get(path)
      expect(body.items.length).toBeLessThanOrEqual(2)
      listed.push(...body.items.map(({ keyId }: { keyId: string }) => keyId))
      path = /^<(.+)>; rel="next"$/.exec(headers.get('link') ?? '')?.[1]
    }
    expect(listed.filter((keyId) => made.includes(keyId))).toEqual(made)
    expect(new Set(listed).size).toBe(listed.length)
    for (const query of ['limit=201', 'limit=0', 'cursor=nonsense'])
      expect(await api.get(`/admin/keys?${query}`)).toMatchObject({ status: 400 })
  })

  test('end when they expire', async () => {
    const expiresAt = new Date(Date.now() - 1_000).toISOString()
    const { body } = await api.post('/admin/keys', { scopes: ['read'], expiresAt })
    expect((await api.get('/status', { key: body.key })).status).toBe(401)
  })

  test.each<[scope: string, allowed: readonly [string, string][], denied: readonly [string, string][]]>([
    [
      'read',
      [['GET', '/status']],
      [
        ['POST', '/api/execute'],
        ['POST', '/internal/reserve'],
        ['GET', '/admin/config'],
      ],
    ],
    [
      'execute',
      [['GET', '/api/executions']],
      [
        ['POST', '/internal/reserve'],
        ['GET', '/admin/config'],
        ['GET', '/status'],
      ],
    ],
    [
      'internal',
      [['GET', '/api/queue/status']],
      [
        ['POST', '/api/execute'],
        ['PUT', '/admin/tiers/x'],
      ],
    ],
  ])('K2 the scope %s opens its own routes alone', async (scope, allowed, denied) => {
    const key = await keyWith([scope])
    const statusOf = async ([method, path]: readonly [string, string]) => {
      const response = await fetch(stand.url + path, { method, headers: { authorization: `Bearer ${key}` } })
      return response.status
    }
    for (const one of allowed) expect([one, await statusOf(one)]).toEqual([one, 200])
    for (const one of denied) expect([one, await statusOf(one)]).toEqual([one, 403])
  })

  test('K3 one that is bound to a client acts for no other', async () => {
    const key = await keyWith(['execute', 'read', 'internal'], 'acme')
    const reserve = (clientId: string, reservationId: string) =>
      api.post('/internal/reserve', { reservationId, clientId, resources: { 'gpt/tokens': 1 } }, { key })
    expect((await reserve('acme', 'k1')).status).toBe(201)
    expect(await reserve('other', 'k2')).toMatchObject({ status: 403, body: { code: 'forbidden' } })
    await api.post('/internal/reserve', {
      reservationId: 'k3',
      clientId: 'other',
      resources: { 'gpt/tokens': 1 },
    })
    const foreign = [
      await api.get('/internal/reserve/k3', { key }),
      await api.delete('/internal/reserve/k3', { key }),
      await api.post('/internal/release', { reservationId: 'k3' }, { key }),
      await api.post('/internal/consume', { reservationId: 'k3' }, { key }),
      await api.get('/api/queue/position/k3', { key }),
      await api.get('/api/cost/k3', { key }),
      await api.get('/api/usage/other/current', { key }),
      await api.get('/api/budgets/other', { key }),
      await api.get('/api/executions?clientId=other', { key }),
      await api.post('/internal/queue/priority-boost', { requestId: 'k3', points: 1 }, { key }),
    ]
    expect(foreign.map(({ status }) => status)).toEqual(foreign.map(() => 403))
    expect((await api.get('/api/usage/acme/current', { key })).status).toBe(200)
  })

  test('K3 a bound admin key changes nothing that concerns others', async () => {
    const key = await keyWith(['admin'], 'acme')
    const answers = [
      await api.put('/admin/tiers/t', { points: 1, weight: 1 }, { key }),
      await api.get('/admin/keys', { key }),
      await api.post('/admin/keys', { scopes: ['admin'] }, { key }),
      await api.post('/admin/scheduler/stop', {}, { key }),
    ]
    expect(answers.map(({ status }) => status)).toEqual([403, 403, 403, 403])
  })
})

describe('what is no request', () => {
  const JSON_TYPE = { 'content-type': 'application/json' }

  test.each<[sentence: string, method: string, path: string, body: string, type: object, want: object]>([
    ['broken JSON', 'POST', '/api/execute', '{"a":', JSON_TYPE, { status: 400, code: 'invalid-request' }],
    ['an empty body', 'POST', '/api/execute', '', JSON_TYPE, { status: 400, code: 'invalid-request' }],
    [
      'another media type',
      'POST',
      '/api/execute',
      '<a/>',
      { 'content-type': 'text/xml' },
      { status: 415, code: 'unsupported-media-type' },
    ],
    [
      'another charset',
      'POST',
      '/api/execute',
      '{}',
      { 'content-type': 'application/json; charset=klingon' },
      { status: 415 },
    ],
    [
      'more than 1 MB',
      'POST',
      '/api/execute',
      `"${'x'.repeat(1_048_576)}"`,
      JSON_TYPE,
      { status: 413, code: 'too-large' },
    ],
    [
      'what is nested too deep',
      'POST',
      '/api/execute',
      '['.repeat(5_000) + ']'.repeat(5_000),
      JSON_TYPE,
      { status: 400 },
    ],
    ['a wrong method', 'PATCH', '/api/execute', '{}', JSON_TYPE, { status: 405, code: 'method-not-allowed' }],
    ['a wrong method below an id', 'PUT', '/api/execution/x/cancel', '{}', JSON_TYPE, { status: 405 }],
    ['an unknown path', 'GET', '/api/nothing', '', {}, { status: 404, code: 'not-found' }],
    ['a broken escape', 'GET', '/api/execution/%E0%A4%A', '', {}, { status: 400, code: 'invalid-request' }],
    [
      'an id of other characters',
      'GET',
      '/api/execution/a%20b',
      '',
      {},
      { status: 400, errors: [{ pointer: '/id' }] },
    ],
  ])('%s', async (_sentence, method, path, body, headers, want) => {
    const hasBody = method !== 'GET'
    const response = await fetch(stand.url + path, {
      method,
      headers: { authorization: 'Bearer rm_test_admin', ...headers },
      ...(hasBody && { body }),
    })
    const problem: Record<string, unknown> = Object(await response.json())
    expect({ ...problem, status: response.status }).toMatchObject(want)
    expect(response.headers.get('content-type')).toMatch('application/problem+json')
    const { type, title, detail, instance, code, requestId } = problem
    expect({ type, code, instance }).toEqual({
      type: `/problems/${String(code)}`,
      code,
      instance: new URL(response.url).pathname,
    })
    for (const text of [title, detail, requestId]) expect(text).toEqual(expect.stringMatching(/./))
  })

  test('a wrong method tells the right ones', async () => {
    const response = await fetch(`${stand.url}/admin/resources/a/b`, { method: 'PATCH' })
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, PUT, DELETE'])
  })

  test('each problem has its page', async () => {
    for (const [code, { status, title }] of Object.entries(PROBLEMS)) {
      expect((await api.get(`/problems/${code}`, { key: null })).body).toEqual({ code, status, title })
    }
    expect((await api.get('/problems/none', { key: null })).status).toBe(404)
  })

  test('a client that goes away in the middle of its body leaves nothing', async () => {
    const { port, hostname } = new URL(stand.url)
    const sent = httpRequest({
      port,
      hostname,
      method: 'POST',
      path: '/api/execute',
      headers: { 'content-length': '100', ...JSON_TYPE, authorization: 'Bearer rm_test_admin' },
    })
    const closed = new Promise((resolve) => sent.once('close', resolve))
    sent.once('error', () => undefined)
    sent.write('{"clientId":', () => sent.destroy())
    await closed
    expect((await api.get('/livez')).status).toBe(200)
  })
})

describe('unknown fields', () => {
  test.each<[path: string, body: object, pointer: string]>([
    ['/api/execute', { clientId: 'acme', worker: 'echo', modle: 'x' }, '/modle'],
    ['/api/execute', { clientId: 'acme', worker: 'echo', scope: { sesion: 'x' } }, '/scope/sesion'],
    ['/api/execute', { clientId: 'acme', worker: 'echo', scope: { step: 'x' } }, '/scope/step'],
    ['/api/execute', { clientId: 'acme', worker: 'echo', resources: { 'a/b': 0 } }, '/resources/a~1b'],
    ['/api/execute', { clientId: 'acme', worker: 'echo', resources: { 'a b': 1 } }, '/resources/a b'],
    ['/api/execute', { clientId: 'acme', worker: 'echo', resources: {} }, '/resources'],
    ['/api/execute', { clientId: 'acme' }, '/template'],
    ['/api/execute', { clientId: 'acme', worker: 'echo', urgency: 'now' }, '/urgency'],
    ['/api/execute', { clientId: 'acme', worker: 'echo', deadline: 'tomorrow' }, '/deadline'],
    ['/internal/reserve', { clientId: 'acme', resources: { a: 1 }, ttlMs: 999 }, '/ttlMs'],
    ['/internal/reserve', { clientId: 'acme', resources: { a: 1.5 } }, '/resources/a'],
    ['/internal/reserve', { clientId: 'acme', resources: { a: 1 }, worker: 'x' }, '/worker'],
    ['/internal/release', { reservationId: 'x', actual: { a: -1 } }, '/actual/a'],
    ['/internal/release', { reservationId: 'x', outcome: 'fine' }, '/outcome'],
    ['/internal/consume', { reservationId: 'x', extend: 1 }, '/extend'],
    ['/api/resources/check', { clientId: 'acme', resources: { a: 1 }, force: true }, '/force'],
    [
      '/internal/queue/batch',
      { operations: [{ op: 'cancel', requestId: 'x', points: 1 }] },
      '/operations/0/points',
    ],
    ['/admin/keys', { scopes: ['root'] }, '/scopes/0'],
    ['/admin/scheduler/stop', { now: true }, '/now'],
    ['/api/execution/x/cancel', { why: 'x' }, '/why'],
  ])('of %s %j are refused at %s', async (path, body, pointer) => {
    expect(await api.post(path, body)).toMatchObject({
      status: 400,
      body: { code: 'invalid-request', errors: [{ pointer }] },
    })
  })
})
