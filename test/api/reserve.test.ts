import { afterAll, beforeAll, expect, test } from 'vitest'
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

test('a reservation is granted, used and released', async () => {
  const granted = await api.post('/internal/reserve', {
    reservationId: 'x1',
    clientId: 'acme',
    resources: { 'gpt/tokens': 40 },
    ttlMs: 60_000,
    maxWaitMs: 0,
  })
  expect(granted).toMatchObject({
    status: 201,
    body: { reservationId: 'x1', state: 'granted', resources: { 'gpt/tokens': 40 }, heldUsd: '0.04' },
  })
})
