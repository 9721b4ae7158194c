// How each provider tells its limits, and what its headers look like when they are not as they should be.

import { describe, expect, test } from 'vitest'
import { chat, serve, type Answered } from './stand-http.ts'

const bucket = { type: 'token-bucket', dimension: 'requests', capacity: 1, refillUnits: 1, refillMs: 90_000 }
const full = { limits: [bucket] }
const quirk = (quirks: object) => ({ style: 'openai', quirks, limits: [bucket] })

const STYLES = [
  'azure',
  'gemini',
  'translate',
  'elevenlabs',
  'stripe',
  'x',
  'graph',
  'paypal',
  'none',
] as const

const stand = await serve({
  ...Object.fromEntries(STYLES.map((style) => [style, { style, ...full }])),
  voices: { style: 'elevenlabs', limits: [{ type: 'concurrency', dimension: 'calls', slots: 2 }] },
  omitted: quirk({ omitted: true }),
  stale: { ...quirk({ staleBy: 2 }), limits: [{ ...bucket, capacity: 100 }] },
  'wrong unit': { ...quirk({ wrongUnit: true }), limits: [{ ...bucket, refillMs: 12_000 }] },
  seconds: quirk({ retryAfter: 'seconds' }),
  date: quirk({ retryAfter: 'http-date' }),
  ms: quirk({ retryAfter: 'ms' }),
  small: quirk({ retryAfter: 'too-small' }),
  absent: quirk({ retryAfter: 'absent' }),
  hidden: {
    limits: [
      {
        type: 'hidden-adaptive',
        dimension: 'requests',
        windowMs: 1_000,
        schedule: [{ afterMs: 0, units: 9 }],
      },
    ],
  },
  capped: {
    style: 'anthropic',
    limits: [{ type: 'spend-cap', dimension: 'requests', units: 1, untilMs: 2_000_000_000_000 }],
  },
})

/** The first call, and the second one, which is refused. */
async function twice(account: string): Promise<[first: Answered, second: Answered]> {
  const work = { account, durationMs: 0 }
  return [await stand.post('/work', work), await stand.post('/work', work)]
}

describe('a refused call', () => {
  test.each<[(typeof STYLES)[number], number, object, string | null]>([
    ['azure', 429, { error: { code: '429' } }, '90'],
    ['gemini', 429, { error: { status: 'RESOURCE_EXHAUSTED', details: [{}, { retryDelay: '90s' }] } }, null],
    ['translate', 403, { error: { message: 'User Rate Limit Exceeded' } }, null],
    ['elevenlabs', 429, { detail: { status: 'quota_exceeded' } }, null],
    ['stripe', 429, { error: { code: 'rate_limit' } }, null],
    ['x', 429, { title: 'Too Many Requests' }, null],
    ['graph', 429, { error: { code: 'TooManyRequests' } }, '90'],
    ['paypal', 429, { name: 'RATE_LIMIT_REACHED' }, '90'],
    ['none', 429, { error: 'too many requests: 1 at most' }, '90'],
  ])('of %s: %d', async (style, status, body, retryAfter) => {
    const [first, second] = await twice(style)
    expect(first.status).toBe(200)
    expect([second.status, JSON.parse(second.text)]).toMatchObject([status, body])
    expect(second.headers.get('retry-after')).toBe(retryAfter)
  })
  test('of a spend cap looks like any other, without a time', async () => {
    const [, second] = await twice('capped')
    expect(JSON.parse(second.text)).toMatchObject({ error: { type: 'rate_limit_error' } })
    expect([second.status, second.headers.get('retry-after')]).toEqual([429, null])
  })
})

describe('headers', () => {
  test('Azure tells what is left and no limit', async () => {
    const [first] = await twice('azure')
    expect(first.headers.get('x-ratelimit-remaining-requests')).toBe('0')
    expect(first.headers.get('x-ratelimit-limit-requests')).toBeNull()
  })
  test('ElevenLabs tells calls at once', async () => {
    const [first] = await twice('voices')
    expect(first.headers.get('current-concurrent-requests')).toBe('1')
    expect(first.headers.get('maximum-concurrent-requests')).toBe('2')
  })
  test('Stripe tells which limit it was, X when it begins anew, Graph how much is used', async () => {
    const [stripe, x, graph] = [await twice('stripe'), await twice('x'), await twice('graph')]
    expect(stripe[1].headers.get('stripe-rate-limited-reason')).toBe('global-rate')
    expect(Number(x[0].headers.get('x-rate-limit-reset'))).toBeGreaterThan(1_700_000_000)
    expect(graph[0].headers.get('x-ms-throttle-limit-percentage')).toBe('1.00')
  })
  test('nobody is told of a hidden limit', async () => {
    const [first] = await twice('hidden')
    expect([...first.headers.keys()].filter((name) => name.includes('ratelimit'))).toEqual([])
  })
})

describe('quirks', () => {
  const left = ({ headers }: Answered): string | null => headers.get('x-ratelimit-remaining-requests')

  test('omitted: no header', async () => {
    expect((await twice('omitted')).map(left)).toEqual([null, null])
  })
  test('stale by two: what was true two calls before', async () => {
    const told = []
    for (let n = 0; n < 4; n += 1) told.push(left(await chat(stand, 'stale')))
    expect(told).toEqual([null, null, '99', '98'])
  })
  test('the wrong unit', async () => {
    const [, second] = await twice('wrong unit')
    expect(second.headers.get('x-ratelimit-reset-requests')).toBe('12ms')
  })
  test.each([
    ['seconds', '90', null],
    ['ms', null, '90000'],
    ['small', '45', null],
    ['absent', null, null],
    ['date', 'Wed, 04 Mar 2026 05:07:37 GMT', null],
  ])('Retry-After: %s', async (account, seconds, ms) => {
    const [, second] = await twice(account)
    expect([second.headers.get('retry-after'), second.headers.get('retry-after-ms')]).toEqual([seconds, ms])
  })
})
