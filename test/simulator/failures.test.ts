import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { check } from '../../simulator/checker.ts'
import {
  FAILURE_KINDS,
  failureSchema,
  openFailures,
  type FailureKind,
  type FailureRule,
} from '../../simulator/failures.ts'
import { chat, serve } from './stand-http.ts'

const always = (kind: FailureKind, more: Partial<FailureRule> = {}): FailureRule =>
  failureSchema.parse({ kind, perTenThousand: 10_000, stayPerTenThousand: 10_000, ...more })

describe('chance from a seed', () => {
  const rule = fc
    .record({
      kind: fc.constantFrom(...FAILURE_KINDS),
      perTenThousand: fc.integer({ min: 0, max: 10_000 }),
      stayPerTenThousand: fc.integer({ min: 0, max: 10_000 }),
    })
    .map((fields) => failureSchema.parse(fields))

  const drawn = (rules: readonly FailureRule[], seed: number): (string | null)[] => {
    const draw = openFailures(rules, seed)
    return Array.from({ length: 50 }, (_, ms) => draw(ms)?.kind ?? null)
  }

  test('F1: the same seed fails the same calls, and a further rule changes nothing of the earlier ones', () => {
    fc.assert(
      fc.property(fc.array(rule, { maxLength: 3 }), rule, fc.integer(), (rules, further, seed) => {
        const before = drawn(rules, seed)
        expect(drawn(rules, seed)).toEqual(before)
        const after = drawn([...rules, further], seed)
        expect(after.filter((_, at) => before[at] !== null)).toEqual(before.filter((kind) => kind !== null))
      }),
    )
  })
  test('F2: bursts are as long as the chance to stay makes them', () => {
    const draw = openFailures(
      [failureSchema.parse({ kind: 'server-error', perTenThousand: 100, stayPerTenThousand: 9_000 })],
      7,
    )
    const hits = Array.from({ length: 50_000 }, (_, ms) => draw(ms) !== null)
    const bursts = hits.filter((hit, at) => hit && hits[at - 1] !== true).length
    const inBursts = hits.filter(Boolean).length
    expect(inBursts / bursts).toBeGreaterThan(8)
    expect(inBursts / bursts).toBeLessThan(12)
  })
  test('a schedule begins and ends', () => {
    const draw = openFailures([always('hang', { afterMs: 10, untilMs: 20 })], 1)
    expect([0, 9, 10, 19, 20].map((ms) => draw(ms)?.kind ?? null)).toEqual([null, null, 'hang', 'hang', null])
  })
})

/** Every kind as an account that always fails so. */
const stand = await serve({
  ...Object.fromEntries(FAILURE_KINDS.map((kind) => [kind, { failures: [always(kind, { delayMs: 200 })] }])),
  anthropic: { style: 'anthropic', failures: [always('overloaded')] },
  slot: {
    failures: [always('hang')],
    limits: [{ type: 'concurrency', dimension: 'calls', slots: 1 }],
  },
})

describe('what a caller sees', () => {
  test.each<[FailureKind, number]>([
    ['server-error', 500],
    ['overloaded', 503],
    ['causeless-429', 429],
    ['stream-error', 500],
    ['duplicate-delivery', 200],
  ])('%s: status %d', async (kind, want) => {
    expect((await chat(stand, kind)).status).toBe(want)
  })
  test('an overloaded Anthropic says 529', async () => {
    const body = { model: 'm', messages: [{}], max_tokens: 5 }
    const { status, text } = await stand.post('/v1/messages', body)
    expect([status, JSON.parse(text)]).toMatchObject([529, { error: { type: 'overloaded_error' } }])
  })
  test.each<[FailureKind, unknown]>([
    ['usage-zero', { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 }],
    ['usage-times-ten', { prompt_tokens: 100, completion_tokens: 200, total_tokens: 300 }],
    ['usage-negative', { prompt_tokens: -10, completion_tokens: -20, total_tokens: -30 }],
    ['usage-absent', undefined],
  ])('%s', async (kind, want) => {
    const { status, text } = await chat(stand, kind)
    expect([status, (JSON.parse(text) as { usage?: unknown }).usage]).toEqual([200, want])
  })
  test.each<FailureKind>(['truncated-json', 'malformed-json'])(
    '%s: 200 with what is no JSON',
    async (kind) => {
      const { status, text } = await chat(stand, kind)
      expect(status).toBe(200)
      expect(() => JSON.parse(text) as unknown).toThrow(SyntaxError)
    },
  )
  test('reset-before-headers: no answer at all', async () => {
    await expect(chat(stand, 'reset-before-headers')).rejects.toThrow('fetch failed')
  })
  test.each<FailureKind>(['reset-after-headers', 'reset-mid-body'])(
    '%s: a status, and no whole body',
    async (kind) => {
      await expect(chat(stand, kind)).rejects.toThrow('terminated')
    },
  )
  test.each<[FailureKind, string, object]>([
    ['hang', 'slot', {}],
    ['late-success', 'late-success', { pages: 3 }],
  ])('%s: the call is accepted, and ends though its caller has given up', async (_kind, account, units) => {
    const entriesOf = () =>
      [...stand.log.after(0)].filter((entry) => 'key' in entry && entry.key === `${account}/*`)
    const patience = new AbortController()
    const asked = fetch(`${stand.url}/work`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      signal: patience.signal,
      body: JSON.stringify({ account, units }),
    })
    await expect.poll(() => entriesOf().map(({ kind }) => kind)).toContain('arrival')
    patience.abort()
    await expect(asked).rejects.toThrow('aborted')
    await expect.poll(() => entriesOf().at(-1)).toMatchObject({ kind: 'end' })
    expect(entriesOf().at(-1)).toMatchObject({ actual: account === 'slot' ? {} : units })
  })
  test('slow: it takes as much longer', async () => {
    const began = performance.now()
    expect((await chat(stand, 'slow')).status).toBe(200)
    expect(performance.now() - began).toBeGreaterThanOrEqual(199)
  })
})

describe('streams that fail', () => {
  const body = { stream: true }
  test('stream-error: an error after the 200, and no end', async () => {
    const { status, text } = await chat(stand, 'stream-error', { body })
    expect([status, text.includes('overloaded_error'), text.includes('[DONE]')]).toEqual([200, true, false])
  })
  test('reset-mid-body: the stream breaks off', async () => {
    await expect(chat(stand, 'reset-mid-body', { body })).rejects.toThrow('terminated')
  })
})

test('the log says what was made to fail, and the referee blames nobody for it', async () => {
  await chat(stand, 'causeless-429')
  const verdict = check(stand.log.after(0))
  expect(verdict.causeless).toBeGreaterThan(0)
  expect(verdict).toMatchObject({ violations: 0, unjust: 0, gaps: 0, miscounts: 0 })
  const faults = [...stand.log.after(0)].flatMap((entry) => (entry.kind === 'arrival' ? [entry.fault] : []))
  expect(faults).toContain('causeless-429')
})
