import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { createWorkers } from '../../examples/workers/app.ts'
import { openIdempotency } from '../../examples/workers/idempotency.ts'
import { check } from '../../simulator/checker.ts'
import { listen, post, workersStand, type WorkersStand } from './stand.ts'

let stand: WorkersStand
beforeAll(async () => {
  stand = await workersStand()
})
afterAll(() => stand.close())

const execute = (worker: string, body: Record<string, unknown>, key?: string) =>
  post(
    `${stand.workersUrl}/workers/${worker}/execute`,
    {
      attempt: 1,
      action: 'work',
      timeoutMs: 30_000,
      priority: 50,
      startBy: new Date().toISOString(),
      ...body,
    },
    key === undefined ? {} : { 'idempotency-key': key },
  )
const echo = (requestId: string, input: Record<string, unknown>, attempt = 1) =>
  execute('echo', { requestId, attempt, input }, `${requestId}#${attempt}`)

type Needs = Record<string, { planned?: boolean; resourceRequirements: { typical: Record<string, number> } }>
const catalogue = parse(readFileSync(new URL('../../config/default.yaml', import.meta.url), 'utf8')) as {
  workers: Needs
}
const current = Object.entries(catalogue.workers).filter(([, { planned }]) => planned !== true)

describe('every worker of the catalogue', () => {
  test.each(current)(
    '%s works with its typical needs and reports them by their names',
    async (name, worker) => {
      const { typical } = worker.resourceRequirements
      const { status, body } = await execute(name, {
        requestId: `typical-${name}`,
        resources: typical,
        input: { topic: 'tides' },
      })
      expect(body).toMatchObject({ requestId: `typical-${name}`, status: 'success' })
      expect(status).toBe(200)
      const consumed = body['resourcesConsumed'] as Record<string, number>
      expect(Object.keys(consumed).toSorted()).toEqual(Object.keys(typical).toSorted())
      expect(
        Object.entries(consumed).filter(([id, units]) => units > (typical[id] ?? 0) || units < 1),
      ).toEqual([])
      expect((await fetch(`${stand.workersUrl}/workers/${name}/health`)).status).toBe(200)
    },
  )
  test('and none of it broke a limit', () => {
    expect(check(stand.log.after(0))).toMatchObject({ rejected: 0, violations: 0 })
  })
})

describe('language models', () => {
  const resources = {
    'openai/gpt-3.5-turbo/tokens': 1_000,
    'openai/gpt-3.5-turbo/input-tokens': 700,
    'openai/gpt-3.5-turbo/output-tokens': 300,
    'openai/gpt-3.5-turbo/requests': 1,
  }
  test('the input says how many tokens go in and come out, and they are what is reported', async () => {
    const input = { promptTokens: 650, completionTokens: 42 }
    const { body } = await execute('content_classifier', { requestId: 'told', resources, input })
    expect(body['resourcesConsumed']).toEqual({
      'openai/gpt-3.5-turbo/tokens': 692,
      'openai/gpt-3.5-turbo/input-tokens': 650,
      'openai/gpt-3.5-turbo/output-tokens': 42,
      'openai/gpt-3.5-turbo/requests': 1,
    })
  })
  test('more than was granted is cut to it, so that the provider is never charged more', async () => {
    const input = { promptTokens: 5_000, completionTokens: 5_000 }
    const { body } = await execute('content_classifier', { requestId: 'cut', resources, input })
    expect(body['resourcesConsumed']).toEqual(resources)
    const arrival = [...stand.log.after(0)].findLast(({ kind }) => kind === 'arrival')
    expect(arrival).toMatchObject({ cost: { tokens: 1_000, requests: 1 } })
  })
  test('with a grant of tokens alone, prompt and output share it', async () => {
    const { body } = await execute('content_classifier', {
      requestId: 'alone',
      resources: { 'openai/gpt-3.5-turbo/tokens': 500 },
      input: { promptTokens: 100, completionTokens: 1_000 },
    })
    expect(body['resourcesConsumed']).toEqual({ 'openai/gpt-3.5-turbo/tokens': 500 })
  })
  test('hints that are none are a clear 400', async () => {
    const { status, body } = await execute('content_classifier', {
      requestId: 'wrong',
      resources,
      input: { completionTokens: -1 },
    })
    expect(status).toBe(400)
    expect(body['error']).toContain('/input/completionTokens')
  })
})

describe("a provider's refusal", () => {
  const gpt99 = { 'openai/gpt-99/tokens': 10 }
  const gpt4 = (tokens: number) => ({ 'openai/gpt-4/tokens': tokens })

  test('OpenAI: 429 is passed on with Retry-After and the x-ratelimit headers, and nothing is reported as used', async () => {
    const input = { promptTokens: 1, completionTokens: 1 }
    await execute('topic_researcher', { requestId: 'full', resources: gpt4(5_500), input })
    const { status, headers, body } = await execute('topic_researcher', {
      requestId: 'refused',
      resources: gpt4(9_000),
      input,
    })
    expect(status).toBe(429)
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0)
    expect(headers.get('x-ratelimit-limit-tokens')).toBe('10000')
    expect(body).toMatchObject({ requestId: 'refused', status: 'failure' })
    expect(body['resourcesConsumed']).toBeUndefined()
  })
  test('what was used before the refusal is reported', async () => {
    const { status, body } = await execute('data_analyzer', {
      requestId: 'half',
      resources: { 'database/queries': 5, ...gpt4(9_000) },
      input: {},
    })
    expect([status, body['resourcesConsumed']]).toEqual([429, { 'database/queries': 5 }])
  })
  test("SES: its 400 is a 429 for us, SendGrid's reset becomes a Retry-After", async () => {
    const ses = { resources: { 'ses/e-mails': 1 }, input: null }
    await execute('email_sender', { requestId: 'ses-1', ...ses })
    expect((await execute('email_sender', { requestId: 'ses-2', ...ses })).status).toBe(429)
    const sendgrid = { resources: { 'sendgrid/e-mails': 999 }, input: null }
    await execute('email_sender', { requestId: 'sendgrid-1', ...sendgrid })
    const { status, headers } = await execute('email_sender', { requestId: 'sendgrid-2', ...sendgrid })
    expect(status).toBe(429)
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0)
  })
  test('a provider that is not there is a 502, which may be tried again', async () => {
    const alone = await listen(createWorkers({ simulatorUrl: 'http://127.0.0.1:1' }))
    const body = { requestId: 'no-provider', resources: { 'twilio/sms': 1 } }
    const answered = await post(`${alone.url}/workers/sms_notifier/execute`, body)
    alone.close()
    expect(answered).toMatchObject({ status: 502, body: { status: 'failure' } })
  })
  test('a resource that the provider does not know is a failure for good', async () => {
    const { status, body } = await execute('data_analyzer', {
      requestId: 'no-model',
      resources: gpt99,
      input: {},
    })
    expect([status, body['status']]).toEqual([200, 'failure'])
    expect(body['error']).toContain('openai/gpt-99')
  })
})

describe('echo', () => {
  test('answers with exactly the consumption, cost and output that it was told', async () => {
    const input = { consume: { 'x/tokens': 7 }, costUsd: '0.0315', output: { tide: 'low' } }
    const { status, body } = await echo('exact', input)
    expect(status).toBe(200)
    expect(body).toMatchObject({
      requestId: 'exact',
      status: 'success',
      output: { tide: 'low' },
      resourcesConsumed: { 'x/tokens': 7 },
      costUsd: '0.0315',
    })
  })
  test('told nothing, it used nothing and tells no cost', async () => {
    const { body } = await echo('nothing', {})
    expect(body).toMatchObject({ status: 'success', output: null, resourcesConsumed: {} })
    expect(body['costUsd']).toBeUndefined()
  })
  test('retryable: 503 for the first attempts, counted by request, then success', async () => {
    const input = { fail: 'retryable', times: 2, consume: { 'x/tokens': 7 } }
    const answers = [
      await echo('again', input, 1),
      await echo('again', input, 2),
      await echo('again', input, 3),
    ]
    expect(answers.map(({ status }) => status)).toEqual([503, 503, 200])
    expect(answers.map(({ body }) => body['resourcesConsumed'])).toEqual([
      undefined,
      undefined,
      { 'x/tokens': 7 },
    ])
  })
  test('final: 200 with status failure, and with its use only where it is told so', async () => {
    const use = { consume: { 'x/tokens': 7 }, costUsd: '1' }
    const { status, body } = await echo('final', { fail: 'final', ...use })
    expect([status, body['status'], body['resourcesConsumed'], body['costUsd']]).toEqual([
      200,
      'failure',
      undefined,
      undefined,
    ])
    const used = await echo('final-used', { fail: 'final', consumeOnFail: true, ...use })
    expect(used.body).toMatchObject({ status: 'failure', resourcesConsumed: { 'x/tokens': 7 }, costUsd: '1' })
  })
  test('crash: the connection breaks, and the same key may be tried again', async () => {
    const input = { fail: 'crash', times: 1 }
    await expect(echo('crash', input)).rejects.toThrow('fetch failed')
    expect((await echo('crash', input)).status).toBe(200)
  })
  test('it sleeps as long as it is told, and logs the call with its times', async () => {
    await echo('sleeper', { sleepMs: 30 })
    const { items } = (await (await fetch(`${stand.workersUrl}/calls`)).json()) as {
      items: { requestId: string; attempt: number; arrivedAt: string; endedAt: string }[]
    }
    const [call, ...more] = items.filter(({ requestId }) => requestId === 'sleeper')
    expect(more).toEqual([])
    expect(call).toMatchObject({ attempt: 1 })
    expect(Date.parse(call?.endedAt ?? '') - Date.parse(call?.arrivedAt ?? '')).toBeGreaterThanOrEqual(29)
  })
  test.each<[string, Record<string, unknown>, string]>([
    ['an unknown member', { sleepMS: 1 }, 'sleepMS'],
    ['a cost that is a number', { costUsd: 1 }, '/input/costUsd'],
    ['a way of failing that there is not', { fail: 'maybe' }, '/input/fail'],
    ['use that is negative', { consume: { x: -1 } }, '/input/consume/x'],
  ])('%s is a clear 400', async (name, input, member) => {
    const { status, body } = await echo(`bad-${name}`, input)
    expect([status, body['status']]).toEqual([400, 'failure'])
    expect(body['error']).toContain(member)
  })
})

describe('idempotency', () => {
  test('the same key while the work runs, or after it, gets the same answer, and the work is done once', async () => {
    const input = { sleepMs: 50, output: 'once', fail: 'retryable', times: 1 }
    const [first, second] = await Promise.all([echo('twice', input), echo('twice', input)])
    const third = await echo('twice', input)
    expect([first.status, second.status, third.status]).toEqual([503, 503, 503])
    expect(third.headers.get('idempotent-replayed')).toBe('true')
    expect((await echo('twice', input, 2)).status).toBe(200)
  })
  test('I2: the oldest answers are forgotten', async () => {
    const known = openIdempotency(2)
    const outcome = { kind: 'answer', status: 200, headers: {}, report: { status: 'success' } } as const
    const isReplay = (key: string) => known.run(key, () => Promise.resolve(outcome)).isReplay
    expect(['a', 'b', 'a', 'c', 'a'].map(isReplay)).toEqual([false, false, true, false, false])
  })
  test('I1: work that threw may be tried again', async () => {
    const known = openIdempotency()
    const fails = known.run('a', () => Promise.reject(new Error('no')))
    await expect(fails.outcome).rejects.toThrow('no')
    expect(known.run('a', () => Promise.reject(new Error('no'))).isReplay).toBe(false)
    await expect(known.run('a', () => Promise.reject(new Error('no'))).outcome).rejects.toThrow('no')
  })
})

describe('cancel', () => {
  test('running work ends at once and says so; what does not run is told as such', async () => {
    const cancel = (requestId: string) => post(`${stand.workersUrl}/workers/echo/cancel`, { requestId })
    const running = echo('long', { sleepMs: 600_000 })
    await expect.poll(async () => (await cancel('long')).body['cancelled']).toBe(true)
    expect((await running).body).toMatchObject({ status: 'failure', error: 'cancelled' })
    expect((await cancel('long')).body).toEqual({ requestId: 'long', cancelled: false })
  })
})

describe('bad calls', () => {
  test('a worker that there is not is 404', async () => {
    expect((await execute('nobody', { requestId: 'a' })).status).toBe(404)
  })
  test('a body that is no call is 400 and names the member', async () => {
    const { status, body } = await post(`${stand.workersUrl}/workers/echo/execute`, { resources: { a: 1.5 } })
    expect(status).toBe(400)
    expect(body['error']).toContain('/requestId')
    expect(body['error']).toContain('/resources/a')
  })
  test('a body that is no JSON is 400', async () => {
    const response = await fetch(`${stand.workersUrl}/workers/echo/execute`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{',
    })
    expect(response.status).toBe(400)
  })
})

describe('as a process', () => {
  const main = fileURLToPath(new URL('../../examples/workers/main.ts', import.meta.url))
  const start = (env: Record<string, string>) =>
    spawn(process.execPath, [main], {
      env: { ...process.env, PORT: '0', ...env },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })

  test('it says when it is ready and ends on SIGTERM, with work under way too', async () => {
    const child = start({ RM_SIMULATOR_URL: stand.simulatorUrl })
    const [message] = (await once(child, 'message')) as [{ kind: string; url: string }]
    expect(message.kind).toBe('ready')
    const long = post(`${message.url}/workers/echo/execute`, { requestId: 'a', input: { sleepMs: 600_000 } })
    const broken = expect(long).rejects.toThrow('fetch failed')
    const calls = async () => (await (await fetch(`${message.url}/calls`)).json()) as { items: unknown[] }
    await expect.poll(async () => (await calls()).items).toHaveLength(1)
    child.kill('SIGTERM')
    await broken
    expect(await once(child, 'exit')).toEqual([0, null])
  })
  test('without a provider simulator it says what is missing', async () => {
    const child = start({ RM_SIMULATOR_URL: '' })
    let said = ''
    child.stderr?.on('data', (text: Buffer) => (said += String(text)))
    await once(child, 'close')
    expect(said).toContain('RM_SIMULATOR_URL is ""')
    expect(child.exitCode).toBe(1)
  })
})
