// Executions in lists, and followed by their events.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { clientOf, furnish, untilExecuting, type Client } from './client.ts'
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
  resources: { 'gpt/tokens': 1 },
  ...more,
})

describe('lists', () => {
  test('are paged, the newest first, with a link to the next page', async () => {
    await api.put('/api/clients/lister', { tier: 'standard' })
    for (const id of ['l1', 'l2', 'l3']) await api.post('/api/execute', ask(id, { clientId: 'lister' }))
    const first = await api.get('/api/executions?clientId=lister&limit=2')
    expect(first.body.items.map(({ requestId }: { requestId: string }) => requestId)).toEqual(['l3', 'l2'])
    const link = first.headers.get('link') ?? ''
    expect(link).toMatch(/^<\/api\/executions\?clientId=lister&limit=2&cursor=[\w-]+>; rel="next"$/)
    const next = await api.get(link.slice(1, link.indexOf('>')))
    expect(next.body).toMatchObject({ items: [{ requestId: 'l1' }], cursor: null })
    expect(next.headers.get('link')).toBeNull()
  })

  test('are narrowed by state', async () => {
    const { body } = await api.get('/api/executions?state=refused')
    expect(body.items.every(({ state }: { state: string }) => state === 'refused')).toBe(true)
  })

  test.each([
    ['limit=201', '?limit'],
    ['limit=x', '?limit'],
    ['state=done', '?state'],
    ['cursor=nonsense', '?cursor'],
    ['colour=red', '?colour'],
  ])('refuse %s with its parameter', async (query, pointer) => {
    expect(await api.get(`/api/executions?${query}`)).toMatchObject({
      status: 400,
      body: { code: 'invalid-request', errors: [{ pointer }] },
    })
  })
})

describe('events', () => {
  type Event = { id: string; event: string; data: { state: string } }

  async function follow(id: string, lastEventId?: string): Promise<Event[]> {
    const response = await fetch(`${stand.url}/api/execution/${id}/events`, {
      headers: {
        authorization: 'Bearer rm_test_admin',
        ...(lastEventId !== undefined && { 'last-event-id': lastEventId }),
      },
    })
    expect(response.headers.get('content-type')).toMatch('text/event-stream')
    const blocks = (await response.text()).split('\n\n').filter((block) => block.includes('data:'))
    return blocks.map((block) => {
      const field = (name: string) => new RegExp(`^${name}: ?(.*)$`, 'm').exec(block)?.[1] ?? ''
      return { id: field('id'), event: field('event'), data: JSON.parse(field('data')) }
    })
  }

  test('V2 are all its states, and end with it', async () => {
    stand.work = () => null
    await api.post('/api/execute', ask('follow'))
    const events = follow('follow')
    await untilExecuting(api, 'follow')
    await api.post('/internal/release', { reservationId: 'follow', actual: {} })
    expect((await events).map(({ event }) => event)).toEqual([
      'admitted',
      'waiting',
      'granted',
      'executing',
      'completed',
    ])
  })

  test('V1 go on after the last one seen', async () => {
    const all = await follow('follow')
    const rest = await follow('follow', all[2]?.id)
    expect(rest).toEqual(all.slice(3))
    expect(await follow('follow', all.at(-1)?.id)).toEqual([])
  })

  test('of a refused request are its refusal', async () => {
    await api.post('/api/execute', ask('no', { worker: 'nobody' }))
    expect(await follow('no')).toMatchObject([
      { event: 'refused', data: { detail: { code: 'unknown-worker' } } },
    ])
  })

  test('of an unknown request are 404', async () => {
    expect((await api.get('/api/execution/nobody/events')).status).toBe(404)
  })
})
