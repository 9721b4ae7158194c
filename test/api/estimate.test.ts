// Estimates over the wire: counted inputs, bounds, and inputs that are made to stall whoever counts them.

import { randomBytes } from 'node:crypto'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { countTokens } from 'gpt-tokenizer/encoding/o200k_base'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { QUEUE_MAX, TokenCounter } from '../../api/tokens/counter.ts'
import { tokensByLength } from '../../domain/tokens.ts'
import { clientOf, furnish, type Client } from './client.ts'
import { openStand, type Stand } from './stand.ts'

let stand: Stand
let api: Client
beforeAll(async () => {
  stand = await openStand()
  api = clientOf(stand)
  await furnish(api)
  for (const [id, perUnitUsd] of [
    ['m/tokens', '0'],
    ['m/input-tokens', '0.00003'],
    ['m/output-tokens', '0.00006'],
  ] as const) {
    const limits = id === 'm/tokens' ? [{ type: 'sliding-window', units: 1_000_000, windowMs: 60_000 }] : []
    await api.put(`/admin/resources/${id}`, { unit: 'tokens', limits })
    await api.put(`/admin/prices/${id}`, { perUnitUsd, effectiveFrom: '2020-01-01T00:00:00Z' })
  }
  await api.put('/api/workers/writer', {
    resourceRequirements: {
      typical: { 'm/tokens': 12, 'm/input-tokens': 8, 'm/output-tokens': 4 },
      maximum: { 'm/tokens': 900, 'm/input-tokens': 600, 'm/output-tokens': 300 },
    },
    endpoints: { execute: 'http://127.0.0.1:1/execute' },
  })
  await api.post('/api/cost/estimate', { worker: 'writer', input: 'warm' })
})
afterAll(() => stand.close())

const TEXT = 'The moon draws the water of the seas, and the seas lag behind it. '.repeat(10)

test('tokens are counted from the input, and the answer says how', async () => {
  const input = { prompt: TEXT, max_tokens: 100 }
  // What the input says about its output is not text of it, but is counted as a number.
  const tokens = countTokens(`${TEXT}\n100`)
  const { body } = await api.post('/api/cost/estimate', { worker: 'writer', input })
  expect(body).toMatchObject({
    resources: { 'm/tokens': tokens + 100, 'm/input-tokens': tokens, 'm/output-tokens': 100 },
    from: 'worker',
    inputTokens: { tokens, by: 'count' },
    declaredOutputTokens: 100,
    learned: {},
  })
  const lines = body.lines.map(({ costUsd }: { costUsd: string }) => Number(costUsd))
  const sum = lines.reduce((total: number, one: number) => total + one, 0)
  expect(Number(body.expectedUsd)).toBeCloseTo(sum, 9)
  expect(Number(body.minUsd)).toBeCloseTo(tokens * 0.000_03, 9)
  expect(Number(body.maxUsd)).toBeCloseTo(600 * 0.000_03 + 100 * 0.000_06, 9)
})

test('an execution is admitted with what its estimate says', async () => {
  const input = { prompt: TEXT, max_tokens: 100 }
  const ask = { clientId: 'acme', worker: 'writer', input }
  const { body: estimate } = await api.post('/api/resources/estimate', ask)
  const accepted = await api.post('/api/execute', { requestId: 'est-1', ...ask })
  expect(accepted).toMatchObject({ status: 202, body: { estimatedCostUsd: estimate.expectedUsd } })
  const { body } = await api.get('/api/execution/est-1')
  expect(body.resources.reserved).toEqual(estimate.resources)
})

test('a key that is bound to a client asks for no other', async () => {
  const { body } = await api.post('/admin/keys', { clientId: 'acme', scopes: ['read'] })
  const ask = (clientId: string) =>
    api.post('/api/cost/estimate', { worker: 'writer', clientId }, { key: body.key })
  expect((await ask('acme')).status).toBe(200)
  expect((await ask('other')).status).toBe(403)
})

describe('a hostile input stalls nobody', () => {
  const hostile: Record<string, string> = {
    '100,000 times the same letter': 'a'.repeat(100_000),
    'a megabyte of base64': randomBytes(700_000).toString('base64'),
    'an unbroken run of Chinese': '漢'.repeat(200_000),
    'a quarter million blanks': ' '.repeat(262_144),
    'line ends only': '\n'.repeat(262_144),
    'names of special tokens': '<|endoftext|>'.repeat(10_000),
  }
  test.each(Object.entries(hostile))('%s', async (_sentence, prompt) => {
    const delay = monitorEventLoopDelay({ resolution: 5 })
    delay.enable()
    const { status, body } = await api.post('/api/cost/estimate', { worker: 'writer', input: { prompt } })
    delay.disable()
    expect(status).toBe(200)
    expect(body.inputTokens.by).toBe('count')
    // Counted here, uncut, it would take six seconds and more.
    expect(delay.max / 1e6).toBeLessThan(1_000)
  })
})

describe('the counter', () => {
  const byLength = (text: string) => ({ tokens: tokensByLength({ text, length: text.length }), by: 'length' })
  const long = Array.from({ length: 200_000 }, (_, nth) =>
    String.fromCharCode(0x4e00 + ((nth * 7_919) % 20_000)),
  ).join('')

  test('N2: a full queue goes by length, and what is in it is counted', async () => {
    const counter = new TokenCounter({ waitMsMax: 30_000 })
    const asked = Array.from({ length: QUEUE_MAX + 5 }, () => counter.count(TEXT))
    const by = (await Promise.all(asked)).map((counted) => counted.by)
    expect(by.filter((way) => way === 'length')).toHaveLength(5)
    await counter.close()
  })

  test('N2, N3: a text that takes too long, and who waits behind it, go by length; the next thread counts', async () => {
    const counter = new TokenCounter({ waitMsMax: 50 })
    const isCounting = async () => {
      while ((await counter.count(TEXT)).by !== 'count');
    }
    await isCounting()
    const behind = [counter.count(long), counter.count(TEXT)]
    expect(await Promise.all(behind)).toEqual([byLength(long), byLength(TEXT)])
    await isCounting()
    await counter.close()
    expect(await counter.count(TEXT)).toEqual(byLength(TEXT))
  })

  test('N1: nothing to count starts nothing', async () => {
    const counter = new TokenCounter()
    expect(await counter.count({})).toEqual({ tokens: 0, by: 'count' })
    expect(await counter.countAsked({ input: 'text', resources: {} })).toBeNull()
    expect(await counter.countAsked({ input: null, resources: null })).toBeNull()
    await counter.close()
  })
})
