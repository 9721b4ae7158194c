// Language models: what a call is charged, when, and how its answer comes.

import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { drawDuration, drawFrom, drawTokens } from '../../simulator/distributions.ts'
import { chargedTokens } from '../../simulator/tokens.ts'
import { randomFrom } from '../../simulator/virtual/random.ts'
import { chat, serve } from './stand-http.ts'

const bucket = (dimension: string) => ({
  type: 'token-bucket',
  dimension,
  capacity: 10_000,
  refillUnits: 1,
  refillMs: 3_600_000,
})

const stand = await serve({
  sum: { limits: [bucket('tokens')] },
  input: { charge: 'input-only', limits: [bucket('tokens')] },
  cached: { cacheReads: 'free', limits: [bucket('tokens'), bucket('input-tokens')] },
  realtime: { refund: 'realtime', limits: [bucket('output-tokens')] },
  refunded: { refund: 'at-completion', limits: [bucket('tokens')] },
  queue: {
    account: 'openai',
    family: 'batch',
    limits: [{ type: 'concurrency', dimension: 'batch-requests', slots: 100 }],
  },
  anthropic: {},
  far: { networkMs: 200, seed: 3, limits: [bucket('requests')] },
  paced: { pace: { completion: { mean: 40, cv: 1 }, firstTokenMs: { mean: 1 }, tokenMs: 0 } },
})

function arrivals(account: string) {
  return [...stand.log.after(0)].filter(
    (entry) => entry.kind === 'arrival' && entry.key.startsWith(`${account}/`),
  )
}

describe('what is charged on arrival', () => {
  const tokens = { prompt: 10, cached: 0, max: 100, choices: 3, completion: 20 }
  test.each([
    ['prompt-plus-max-tokens', 310],
    ['max-of-prompt-and-max-tokens', 100],
    ['input-only', 10],
    ['declared', 77],
  ] as const)('%s', (rule, want) => expect(chargedTokens(rule, tokens, 77)).toBe(want))

  test('every choice that is asked for may use all of max_tokens', async () => {
    await chat(stand, 'sum', { body: { n: 3 } })
    expect(arrivals('sum').at(-1)).toMatchObject({ cost: { tokens: 310, 'output-tokens': 300 } })
  })
  test('tokens that are read from a cache are free where the provider says so, and told in the usage', async () => {
    const { text } = await chat(stand, 'cached', { headers: { 'x-simulator-cached-tokens': '8' } })
    expect(arrivals('cached').at(-1)).toMatchObject({ cost: { tokens: 102, 'input-tokens': 2 } })
    expect(JSON.parse(text)).toMatchObject({
      usage: { prompt_tokens: 10, prompt_tokens_details: { cached_tokens: 8 } },
    })
  })
})

describe('what is charged later', () => {
  test('output is charged while it is produced, and max_tokens reserves nothing', async () => {
    const headers = { 'x-simulator-duration-ms': '350', 'x-simulator-completion-tokens': '80' }
    await chat(stand, 'realtime', { headers })
    const entries = [...stand.log.after(0)].filter((entry) => 'key' in entry && entry.key === 'realtime/*')
    expect(entries[0]).toMatchObject({ kind: 'arrival', cost: { 'output-tokens': 1 } })
    const debits = entries.flatMap((entry) =>
      entry.kind === 'debit' ? [entry.cost['output-tokens'] ?? 0] : [],
    )
    expect(debits.length).toBeGreaterThanOrEqual(2)
    expect(debits.reduce((sum, units) => sum + units, 1)).toBe(80)
  })
})

describe('streams', () => {
  const eventsOf = (text: string): unknown[] =>
    text
      .split('\n')
      .filter((line) => line.startsWith('data: {'))
      .map((line) => JSON.parse(line.slice(6)) as unknown)

  test('OpenAI: words, a reason, the usage where it was asked for, [DONE]', async () => {
    const body = { stream: true, stream_options: { include_usage: true } }
    const { headers, text } = await chat(stand, 'sum', { body })
    expect(headers.get('content-type')).toContain('text/event-stream')
    const events = eventsOf(text)
    expect(events).toHaveLength(18)
    expect(events.at(-2)).toMatchObject({ choices: [{ finish_reason: 'stop' }] })
    expect(events.at(-1)).toMatchObject({ choices: [], usage: { completion_tokens: 20 } })
    expect(text.trimEnd().endsWith('data: [DONE]')).toBe(true)
  })
  test('OpenAI: no usage where nobody asked', async () => {
    const { text } = await chat(stand, 'sum', { body: { stream: true } })
    expect(text).not.toContain('usage')
  })
  test('Anthropic: named events from message_start to message_stop', async () => {
    const call = { model: 'm', messages: [{}], max_tokens: 50, stream: true }
    const { text } = await stand.post('/v1/messages', call, { 'x-simulator-completion-tokens': '2' })
    const names = text.split('\n').flatMap((line) => /^event: (.+)$/.exec(line)?.[1] ?? [])
    expect(names).toEqual([
      'message_start',
      'content_block_start',
      'content_block_delta',
      'content_block_delta',
      'content_block_stop',
      'message_delta',
      'message_stop',
    ])
    expect(eventsOf(text).at(-2)).toMatchObject({ usage: { output_tokens: 2 } })
  })
  test('a stream takes its time, word by word', async () => {
    const headers = { 'x-simulator-duration-ms': '400' }
    const began = performance.now()
    const response = await fetch(`${stand.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-simulator-account': 'sum', ...headers },
      body: JSON.stringify({ model: 'm', messages: [{}], max_tokens: 30, stream: true }),
    })
    const times: number[] = []
    for await (const _chunk of response.body ?? []) times.push(performance.now() - began)
    expect(times.length).toBeGreaterThan(2)
    expect(times.at(-1)).toBeGreaterThanOrEqual(399)
    expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeGreaterThan(50)
  })
})

describe('batches', () => {
  const make = async (requests: number) => {
    const { status, text } = await stand.post('/v1/batches', { requests, tokens: 5_000 })
    return { status, body: JSON.parse(text) as { id: string; status: string } }
  }
  const look = async (id: string): Promise<unknown> => (await fetch(`${stand.url}/v1/batches/${id}`)).json()

  test('are done within a day, and count as queued until then', async () => {
    const first = await make(60)
    expect(first).toMatchObject({ status: 200, body: { status: 'in_progress' } })
    expect((await make(60)).status).toBe(429)
    stand.setMs(86_400_000)
    expect(await look(first.body.id)).toMatchObject({
      status: 'completed',
      request_counts: { total: 60, completed: 60 },
    })
    const second = await make(60)
    expect(second.status).toBe(200)
    await stand.post(`/v1/batches/${second.body.id}/cancel`, {})
    expect(await look(second.body.id)).toMatchObject({ status: 'cancelled', completed_at: null })
    expect((await make(100)).status).toBe(200)
  })
  test('one that nobody made is not there', async () => {
    expect((await fetch(`${stand.url}/v1/batches/batch_0`)).status).toBe(404)
  })
})

describe('how long and how much', () => {
  test('log-normal: the mean and the variation are as told', () => {
    const random = randomFrom(1, 'test')
    const draws = Array.from({ length: 100_000 }, () => drawFrom({ mean: 200, cv: 1 }, random))
    const mean = draws.reduce((sum, x) => sum + x, 0) / draws.length
    const deviation = Math.sqrt(draws.reduce((sum, x) => sum + (x - mean) ** 2, 0) / draws.length)
    expect(mean / 200).toBeCloseTo(1, 1)
    expect(deviation / mean).toBeCloseTo(1, 1)
  })
  test('tokens are cut at what was asked for, and never none', () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.integer({ min: 1, max: 500 }),
        fc.double({ min: 0.1, max: 1e4, noNaN: true }),
        (seed, max, mean) => {
          const tokens = drawTokens({ mean, cv: 3 }, { random: randomFrom(seed, 'test'), max })
          expect(tokens).toBeGreaterThanOrEqual(1)
          expect(tokens).toBeLessThanOrEqual(max)
        },
      ),
    )
  })
  test('a busy provider is slower by its load factor', () => {
    const pace = { firstTokenMs: { mean: 100, cv: 0 }, tokenMs: 10, loadFactor: 2, loadCalls: 10 }
    const at = (inFlight: number) =>
      drawDuration(pace, { random: randomFrom(1, 'test'), tokens: 30, inFlight })
    expect(at(0)).toEqual({ firstMs: 100, wholeMs: 400 })
    expect(at(10)).toEqual({ firstMs: 300, wholeMs: 1_200 })
  })
  test('a call that does not say gets its output by chance, within max_tokens', async () => {
    const body = { model: 'm', messages: [{}], max_tokens: 60 }
    const outputs = new Set<number>()
    for (let n = 0; n < 5; n += 1) {
      const { text } = await stand.post('/v1/chat/completions', body, { 'x-simulator-account': 'paced' })
      outputs.add((JSON.parse(text) as { usage: { completion_tokens: number } }).usage.completion_tokens)
    }
    expect(outputs.size).toBeGreaterThan(1)
    expect(Math.max(...outputs)).toBeLessThanOrEqual(60)
  })
  test('the network delays a call before it is decided', async () => {
    const began = performance.now()
    await chat(stand, 'far')
    await chat(stand, 'far')
    await chat(stand, 'far')
    expect(performance.now() - began).toBeGreaterThan(100)
  })
})
