import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { retryAfterMs } from '../../activities/rate-limit-headers.ts'
import { callOverHttp, interpret } from '../../activities/worker-protocol.ts'
import type { WorkerCall } from '../../domain/admission.ts'

const success = {
  status: 'success',
  output: { n: 1 },
  resourcesConsumed: { 'gpt/tokens': 7 },
  costUsd: '0.01',
}

describe('what a status and a body mean (W1 to W4)', () => {
  const cases: Record<string, { status: number; body: unknown; want: object }> = {
    'a success reports its use': {
      status: 200,
      body: success,
      want: {
        kind: 'answered',
        status: 'success',
        use: { kind: 'reported', consumed: { 'gpt/tokens': 7 }, costNanoUsd: 10_000_000 },
      },
    },
    'a success without a report used nothing (W2)': {
      status: 200,
      body: { status: 'success', output: null },
      want: { kind: 'answered', status: 'success', use: { kind: 'none' } },
    },
    'an explicit zero is a report (W2)': {
      status: 200,
      body: { status: 'success', resourcesConsumed: {} },
      want: { kind: 'answered', use: { kind: 'reported', consumed: {}, costNanoUsd: null } },
    },
    'a failure is final (W3)': {
      status: 200,
      body: { status: 'failure', error: 'no such topic' },
      want: { kind: 'answered', status: 'failure', error: 'no such topic' },
    },
    'a failure that says so is retryable (W3)': {
      status: 200,
      body: { status: 'failure', retryable: true, error: 'later' },
      want: { kind: 'retryable', detail: 'later', isThrottled: false },
    },
    'accepted: the result is posted later': { status: 202, body: {}, want: { kind: 'accepted' } },
    'a 400 is final (W1)': {
      status: 400,
      body: { error: 'bad input' },
      want: { kind: 'answered', status: 'failure', error: 'the worker answered 400: bad input' },
    },
    'a 400 with a report is billed (W2)': {
      status: 400,
      body: { resourcesConsumed: { a: 3 } },
      want: { kind: 'answered', use: { kind: 'reported', consumed: { a: 3 }, costNanoUsd: null } },
    },
    'a 429 is retryable and closes what it is about (W1)': {
      status: 429,
      body: {},
      want: { kind: 'retryable', isThrottled: true, retryAfterMs: 3_000 },
    },
    'a 429 of the problem type quota-exceeded is one like any other (W4, vector 48)': {
      status: 429,
      body: {
        type: 'https://iana.org/assignments/http-problem-types#quota-exceeded',
        title: 'Request cannot be satisfied as assigned quota has been exceeded',
        'violated-policies': ['daily'],
      },
      want: { kind: 'retryable', isThrottled: true, retryAfterMs: 3_000, use: { kind: 'none' } },
    },
    'a 503 of the problem type temporary-reduced-capacity closes what it is about (W4, vector 48)': {
      status: 503,
      body: { type: 'https://iana.org/assignments/http-problem-types#temporary-reduced-capacity' },
      want: { kind: 'retryable', isThrottled: true, retryAfterMs: 3_000, use: { kind: 'none' } },
    },
    'a 503 of another problem type closes nothing (W4)': {
      status: 503,
      body: { type: 'about:blank' },
      want: { kind: 'retryable', isThrottled: false },
    },
    'a 503 is retryable (W1)': { status: 503, body: 'down', want: { kind: 'retryable', isThrottled: false } },
    'a 408 is retryable (W1)': { status: 408, body: '', want: { kind: 'retryable' } },
    'nonsense with 200 is retryable and used nothing (W1)': {
      status: 200,
      body: 'hello',
      want: { kind: 'retryable', use: { kind: 'none' } },
    },
    'a use below zero is nonsense': {
      status: 200,
      body: { ...success, resourcesConsumed: { a: -1 } },
      want: { kind: 'retryable' },
    },
    'a cost that is no decimal string is nonsense': {
      status: 200,
      body: { ...success, costUsd: 0.01 },
      want: { kind: 'retryable' },
    },
  }
  for (const [name, { status, body, want }] of Object.entries(cases)) {
    test(name, () => {
      const text = typeof body === 'string' ? body : JSON.stringify(body)
      expect(interpret(status, text, 3_000)).toMatchObject(want)
    })
  }
})

describe('Retry-After (RFC 9110, 10.2.3)', () => {
  const now = Date.parse('2026-11-21T00:00:00Z')
  const cases: Record<string, [header: string | null, want: number | null]> = {
    'whole seconds': ['7', 7_000],
    'fractions are rounded up to a millisecond': ['0.0005', 1],
    'a date': ['Sat, 21 Nov 2026 00:00:05 GMT', 5_000],
    'a date that has passed': ['Fri, 20 Nov 2026 00:00:00 GMT', 0],
    nonsense: ['soon', null],
    absent: [null, null],
  }
  for (const [name, [header, want]] of Object.entries(cases)) {
    test(name, () => expect(retryAfterMs(header, now)).toBe(want))
  }
})

describe('one call over HTTP', () => {
  let server: Server | null = null
  afterEach(() => {
    server?.closeAllConnections()
    server?.close()
  })

  async function listen(handler: RequestListener): Promise<string> {
    const created = createServer(handler)
    server = created
    await new Promise<void>((resolve) => created.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(created.address() as AddressInfo).port}/execute`
  }

  function callAt(executeUrl: string, timeoutMs = 5_000): Parameters<typeof callOverHttp>[0] {
    const call: WorkerCall = {
      worker: 'w',
      action: 'work',
      input: { topic: 'tides' },
      target: { kind: 'http', executeUrl, healthUrl: null, cancelUrl: null },
      timeoutMs,
      expectedMs: null,
      retryPolicy: { maxAttempts: 1, backoffMs: [] },
      priority: 40,
    }
    return { requestId: 'r-1', attempt: 2, call, executeUrl, resources: { a: 1 }, startByMs: 0 }
  }

  test('carries the ids, the demand and a trace of its own', async () => {
    let seen: unknown
    const url = await listen((request, response) => {
      let body = ''
      request.on('data', (chunk) => (body += chunk))
      request.on('end', () => {
        seen = {
          ...JSON.parse(body),
          key: request.headers['idempotency-key'],
          trace: request.headers['traceparent'],
        }
        response.end(JSON.stringify(success))
      })
    })
    const { answer } = await callOverHttp(callAt(url), new AbortController().signal)
    expect(answer).toMatchObject({ kind: 'answered', output: { n: 1 } })
    expect(seen).toMatchObject({
      requestId: 'r-1',
      attempt: 2,
      action: 'work',
      input: { topic: 'tides' },
      resources: { a: 1 },
      timeoutMs: 5_000,
      priority: 40,
      startBy: '1970-01-01T00:00:00.000Z',
      key: 'r-1#2',
      trace: expect.stringMatching(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/),
    })
  })

  test('a worker that is not there used nothing', async () => {
    const url = await listen(() => undefined)
    server?.close()
    const { answer } = await callOverHttp(callAt(url), new AbortController().signal)
    expect(answer).toMatchObject({ kind: 'retryable', use: { kind: 'none' } })
  })

  test('a connection lost after sending leaves the use unknown', async () => {
    const url = await listen((request) => request.socket.destroy())
    const { answer } = await callOverHttp(callAt(url), new AbortController().signal)
    expect(answer).toMatchObject({ kind: 'retryable', use: { kind: 'unknown' } })
  })

  test('a worker that does not answer in time leaves the use unknown', async () => {
    const url = await listen(() => undefined)
    const { answer } = await callOverHttp(callAt(url, 50), new AbortController().signal)
    expect(answer).toMatchObject({
      kind: 'retryable',
      use: { kind: 'unknown' },
      detail: expect.stringMatching('50 ms'),
    })
  })

  test('a cancelled call rejects, and is not mistaken for a failure of the worker', async () => {
    const cancelled = new AbortController()
    const url = await listen(() => cancelled.abort(new Error('cancelled')))
    await expect(callOverHttp(callAt(url), cancelled.signal)).rejects.toThrow('cancelled')
  })
})
