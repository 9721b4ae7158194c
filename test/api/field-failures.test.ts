// What goes wrong in this field, through the facade: requests over HTTP, the ledger in Postgres, the limiter's core.
// Names tell the origin, as in the reference: LL LiteLLM, SM SMG, EA Envoy AI Gateway, RF rate-limiter-flexible.

import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { checkLedger } from '../../activities/ledger/check.ts'
import type { Ending, Use } from '../../domain/report.ts'
import { clientOf, furnish, untilExecuting, type Client } from './client.ts'
import { openStand, type Stand } from './stand.ts'

const TOKENS = 'field/tokens'
const DAY_MS = 86_400_000
const PROMPT = { type: 'sliding-window', units: 1_000_000, windowMs: 60_000 }
const completed: Ending = { kind: 'completed', output: null, partial: false }
const broke: Ending = { kind: 'failed', error: { code: 'worker-failed', detail: 'the stream was cut' } }
const used = (units: number): Use => ({ kind: 'reported', consumed: { [TOKENS]: units }, costNanoUsd: null })

let stand: Stand
let api: Client
beforeAll(async () => {
  stand = await openStand()
  api = clientOf(stand)
  await furnish(api)
  await api.put(`/admin/resources/${TOKENS}`, { unit: 'tokens', limits: [PROMPT] })
  await api.put(`/admin/prices/${TOKENS}`, { perUnitUsd: '0.001', effectiveFrom: '2020-01-01T00:00:00Z' })
})
afterAll(() => stand.close())
afterEach(async () => {
  expect(await checkLedger(stand.sql)).toEqual([])
})

let nth = 0
let client: string
/** A client of its own for each test, with a dollar: 1,000 tokens. */
beforeEach(async () => {
  nth += 1
  client = `field-${nth}`
  await budgeted([{ unit: 'USD', amount: '1', period: 'total' }])
})

const budgeted = (budgets: readonly object[], more: object = {}) =>
  api.put(`/api/clients/${client}`, { tier: 'standard', budgets, ...more })
const ask = (id: string, units: number, more: object = {}) => ({
  reservationId: `${client}-${id}`,
  clientId: client,
  resources: { [TOKENS]: units },
  ttlMs: 60_000,
  maxWaitMs: 0,
  ...more,
})
const reserve = (id: string, units: number, more: object = {}) =>
  api.post('/internal/reserve', ask(id, units, more))
const release = (id: string, given: object) =>
  api.post('/internal/release', { reservationId: `${client}-${id}`, ...given })
const releaseWith = (id: string, units: number) => release(id, { actual: { [TOKENS]: units } })
const execute = (id: string, units: number, more: object = {}, headers = { prefer: 'wait=5' }) =>
  api.post(
    '/api/execute',
    {
      requestId: `${client}-${id}`,
      clientId: client,
      worker: 'echo',
      resources: { [TOKENS]: units },
      ...more,
    },
    { headers },
  )

async function budget(scope = client) {
  const { body } = await api.get(`/api/budgets/${scope}`)
  const { used: spent, held, remaining } = body[0]
  return { used: spent, held, remaining }
}

test('[LL #18730, #34732, SM toctou] of 20 parallel calls of a tenth of the budget, 10 pass', async () => {
  const answers = await Promise.all(Array.from({ length: 20 }, (_, one) => reserve(String(one), 100)))
  const passed = answers.filter(({ status }) => status === 201)
  expect(passed).toHaveLength(10)
  expect(answers.find(({ status }) => status !== 201)).toMatchObject({
    status: 402,
    body: {
      code: 'budget-exceeded',
      scope: client,
      remaining: '0',
      budget: { unit: 'USD', period: 'total' },
    },
  })
  expect(await budget()).toEqual({ used: '0', held: '1', remaining: '0' })
})

test('[SM] the same id at once is held once, by whatever many', async () => {
  const answers = await Promise.all(Array.from({ length: 16 }, () => reserve('same', 600)))
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]))
  expect(await budget()).toMatchObject({ held: '0.6' })
  expect((await reserve('same', 601)).status).toBe(409)
})

test('[LL #30039, lago #3618] settled by many at once, and again later, it is charged once', async () => {
  await reserve('once', 500)
  const answers = await Promise.all(Array.from({ length: 12 }, () => releaseWith('once', 300)))
  expect(answers.map(({ status, body }) => [status, body.costUsd])).toEqual(answers.map(() => [200, '0.3']))
  expect(answers.filter(({ headers }) => headers.get('idempotent-replayed') === null)).toHaveLength(1)
  expect((await releaseWith('once', 300)).headers.get('idempotent-replayed')).toBe('true')
  expect((await releaseWith('once', 200)).status).toBe(409)
  expect(await budget()).toEqual({ used: '0.3', held: '0', remaining: '0.7' })
})

test('[LL #27639, #20256] a lease that ends gives its hold back; a report after it is taken once', async () => {
  await reserve('late', 500, { ttlMs: 1_000 })
  await stand.advance(1_001)
  expect(await budget()).toMatchObject({ used: '0', held: '0' })
  const late = await releaseWith('late', 400)
  expect(late.body).toMatchObject({ late: true, costUsd: '0.4' })
  expect((await releaseWith('late', 400)).body).toEqual(late.body)
  expect(await budget()).toEqual({ used: '0.4', held: '0', remaining: '0.6' })
})

test('[LL #33736, theam #251] a stream that was cut is held while it goes on, booked at the worst case, and corrected', async () => {
  stand.work = () => null
  await execute('cut', 500, {}, { prefer: 'wait=0' })
  await untilExecuting(api, `${client}-cut`)
  expect(await budget()).toMatchObject({ used: '0', held: '0.5' })
  await api.post(`/api/execution/${client}-cut/cancel`)
  expect(await budget()).toEqual({ used: '0.5', held: '0', remaining: '0.5' })
  const { body } = await api.get(`/api/cost/${client}-cut`)
  expect(body.lines).toMatchObject([{ assumed: true, costUsd: '0.5' }])
  const corrected = await releaseWith('cut', 120)
  expect(corrected.body).toMatchObject({ late: true })
  expect((await releaseWith('cut', 120)).body).toEqual(corrected.body)
  expect(await budget()).toEqual({ used: '0.12', held: '0', remaining: '0.88' })
})

test('[theam #251] unknown use keeps its hold until somebody knows', async () => {
  await reserve('unknown', 500)
  expect((await release('unknown', { outcome: 'unknown' })).body).toMatchObject({ state: 'held' })
  await stand.advance(60_001)
  expect(await budget()).toMatchObject({ used: '0', held: '0.5' })
  expect((await reserve('more', 501)).status).toBe(402)
  expect((await releaseWith('unknown', 20)).body).toMatchObject({ costUsd: '0.02' })
  expect(await budget()).toEqual({ used: '0.02', held: '0', remaining: '0.98' })
})

test('[LL #37992] zero is zero: of a reservation, of an execution, and of one that failed', async () => {
  await reserve('zero', 500)
  expect((await releaseWith('zero', 0)).body).toMatchObject({ costUsd: '0' })
  stand.work = () => ({ ending: completed, use: used(0) })
  expect((await execute('zero-done', 500)).body).toMatchObject({
    state: 'completed',
    cost: { actualUsd: '0' },
  })
  stand.work = () => ({ ending: broke, use: { kind: 'none' } })
  expect((await execute('zero-failed', 500)).body).toMatchObject({
    state: 'failed',
    cost: { actualUsd: '0' },
  })
  expect(await budget()).toEqual({ used: '0', held: '0', remaining: '1' })
})

test('[LL #35569, #36940] a failed call is billed for what it used, with nothing left in hold', async () => {
  stand.work = () => ({ ending: broke, use: used(70) })
  expect((await execute('failed', 500)).body).toMatchObject({ state: 'failed', cost: { actualUsd: '0.07' } })
  expect(await budget()).toEqual({ used: '0.07', held: '0', remaining: '0.93' })
})

test('[SM] more than was held is recorded as it is, and the next one is refused', async () => {
  await reserve('over', 600)
  expect((await releaseWith('over', 1_300)).body).toMatchObject({ costUsd: '1.3' })
  expect(await budget()).toEqual({ used: '1.3', held: '0', remaining: '-0.3' })
  expect(await reserve('next', 1)).toMatchObject({
    status: 402,
    body: { remaining: '-0.3', needed: '0.001' },
  })
})

test('[LL #36940, #38686] a new day finds its own budget; what was held yesterday is paid from yesterday', async () => {
  await budgeted([{ unit: 'USD', amount: '1', period: 'day' }])
  await untilMidnight()
  await reserve('yesterday', 900, { ttlMs: DAY_MS })
  expect((await reserve('too-much', 200)).status).toBe(402)
  await untilMidnight()
  expect((await reserve('today', 900)).status).toBe(201)
  await releaseWith('yesterday', 900)
  await releaseWith('today', 100)
  expect(await budget()).toEqual({ used: '0.1', held: '0', remaining: '0.9' })

  async function untilMidnight(): Promise<void> {
    await stand.advance(DAY_MS - ((stand.context.clock ?? Date.now)() % DAY_MS))
  }
})

test('[rule c] cancelled before dispatch it costs nothing, after it what it may have used', async () => {
  stand.isDeaf = true
  await execute('before', 400, {}, { prefer: 'wait=0' })
  expect(await budget()).toMatchObject({ held: '0.4' })
  await api.post(`/api/execution/${client}-before/cancel`)
  stand.isDeaf = false
  expect(await budget()).toEqual({ used: '0', held: '0', remaining: '1' })

  stand.work = () => null
  await execute('after', 400, {}, { prefer: 'wait=0' })
  await untilExecuting(api, `${client}-after`)
  await api.post(`/api/execution/${client}-after/cancel`)
  expect((await api.get(`/api/execution/${client}-after`)).body).toMatchObject({ state: 'cancelled' })
  expect(await budget()).toEqual({ used: '0.4', held: '0', remaining: '0.6' })
})

test('[LL #34732] parallel branches of a run have their carved parts, and never more together', async () => {
  const parts = ['a', 'b', 'c'].map((branch) =>
    api.put(`/api/budgets/${client}/s/${branch}`, [
      { unit: 'USD', amount: '0.4', period: 'total', carvedFrom: client },
    ]),
  )
  const given = (await Promise.all(parts)).map(({ status }) => status)
  expect(given.toSorted((a, b) => a - b)).toEqual([201, 201, 402])
  const branch = ['a', 'b', 'c'][given.indexOf(201)]
  const scope = { session: 's', swarm: branch, run: null, step: null }
  const turns = await Promise.all(Array.from({ length: 10 }, (_, one) => reserve(`t${one}`, 100, { scope })))
  expect(turns.filter(({ status }) => status === 201)).toHaveLength(4)
  await api.delete(`/api/budgets/${client}/s`)
  expect(await budget()).toEqual({ used: '0', held: '0.4', remaining: '0.6' })
})

test('[LL #37052, #28033] a key never raises its own limit, by whatever way', async () => {
  const { body: made } = await api.post('/admin/keys', {
    scopes: ['admin', 'internal'],
    clientId: client,
    label: 'own',
  })
  const { key } = made as { key: string }
  const tried = [
    await api.put(`/api/budgets/${client}`, [{ unit: 'USD', amount: '2', period: 'total' }], { key }),
    await api.put(`/api/budgets/${client}`, [], { key }),
    await api.post(
      `/api/budgets/${client}`,
      {
        kind: 'increase',
        id: 'mine',
        unit: 'USD',
        period: 'total',
        amount: '5',
        expiresAt: '2099-01-01T00:00:00Z',
      },
      { key },
    ),
    await api.put(`/api/clients/${client}`, { tier: 'standard', budgets: [] }, { key }),
  ]
  expect(tried.map(({ status }) => status)).toEqual([403, 403, 403, 403])
  expect((await reserve('more', 1_001)).status).toBe(402)
})

test('[LL #39309, RF #280] a refused call changes nothing: no hold, no rate, no day', async () => {
  await budgeted([{ unit: 'USD', amount: '1', period: 'total' }], { dailyRequests: 2 })
  const usage = async () => ({ ...(await api.get(`/api/usage/${client}/current`)).body, asOf: null })
  const before = await usage()
  for (const one of ['a', 'b', 'c']) expect((await reserve(one, 1_001)).status).toBe(402)
  expect(await usage()).toEqual(before)
  expect((await reserve('first', 1)).status).toBe(201)
  expect((await reserve('second', 1)).status).toBe(201)
  expect(await reserve('third', 1)).toMatchObject({ status: 429, body: { limit: 'dailyRequests' } })
})

test('[EA] a budget of 6 with 2 a call passes 3, one of 0 passes none', async () => {
  await budgeted([{ unit: TOKENS, amount: 6, period: 'day' }])
  for (const [one, status] of [201, 201, 201, 402].entries()) {
    const answer = await reserve(String(one), 2)
    expect(answer.status).toBe(status)
    if (status === 201) await releaseWith(String(one), 2)
  }
  await budgeted([{ unit: TOKENS, amount: 0, period: 'day' }])
  expect((await reserve('none', 1)).status).toBe(402)
})
