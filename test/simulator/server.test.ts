import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createSimulator } from '../../simulator/app.ts'
import { entrySchema, openLog } from '../../simulator/log.ts'
import { readScenario } from '../../simulator/scenario.ts'
import { segmentsOf } from '../../simulator/routes/messaging.ts'
import { goDuration } from '../../simulator/styles/openai.ts'

const standard = readScenario(new URL('../../simulator/scenarios/default.yaml', import.meta.url))

let server: Server
let url: string
let nowMs = Date.UTC(2026, 2, 4, 5, 6, 7)

beforeAll(async () => {
  const app = createSimulator({ scenario: standard, clock: () => nowMs * 1_000, log: openLog(null) })
  server = createServer(app).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  url = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`
})
afterAll(() => server.close())
beforeEach(async () => {
  await post('/admin/reset', {})
})

async function post(path: string, body: unknown, headers: Record<string, string> = {}) {
  const response = await fetch(url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-simulator-duration-ms': '0', ...headers },
    body: JSON.stringify(body),
  })
  const text = await response.text()
  return {
    status: response.status,
    headers: response.headers,
    body: (text === '' ? null : JSON.parse(text)) as unknown,
  }
}

const chat = (tokens: number, told: Record<string, string> = {}) =>
  post(
    '/v1/chat/completions',
    { model: 'gpt-4', messages: [{ role: 'user', content: 'tides' }], max_tokens: tokens - 1_000 },
    { 'x-simulator-prompt-tokens': '1000', ...told },
  )

describe('OpenAI', () => {
  test('an answer tells what was used and what is left', async () => {
    const { status, headers, body } = await chat(4_000, { 'x-simulator-completion-tokens': '17' })
    expect(status).toBe(200)
    expect(body).toMatchObject({
      usage: { prompt_tokens: 1_000, completion_tokens: 17, total_tokens: 1_017 },
    })
    expect(headers.get('x-ratelimit-limit-tokens')).toBe('10000')
    expect(headers.get('x-ratelimit-remaining-tokens')).toBe('6000')
    expect(headers.get('x-ratelimit-reset-tokens')).toBe('24s')
    expect(headers.get('x-ratelimit-remaining-requests')).toBe('499')
    expect(headers.get('x-ratelimit-reset-requests')).toBe('120ms')
  })
  test('an output that is not told is the same for the same call', async () => {
    const [a, b] = [await chat(2_000), await chat(2_000)]
    expect(a.body).toMatchObject({ usage: { prompt_tokens: 1_000 } })
    expect((a.body as { usage: unknown }).usage).toEqual((b.body as { usage: unknown }).usage)
  })
  test('what does not fit is 429 with the time until it does', async () => {
    await chat(9_000)
    const { status, headers, body } = await chat(2_000)
    expect(status).toBe(429)
    expect(headers.get('retry-after')).toBe('12') // the rejected call took the 1,000 that were left
    expect(body).toMatchObject({ error: { type: 'tokens', code: 'rate_limit_exceeded' } })
    expect(JSON.stringify(body)).toContain(
      'Limit 10000, Used 10000, Requested 2000. Please try again in 12s.',
    )
  })
  test('what never fits is told so', async () => {
    const { status, headers, body } = await chat(20_000)
    expect([status, headers.get('retry-after')]).toEqual([429, null])
    expect(JSON.stringify(body)).toContain('Request too large for gpt-4')
  })
  test('a model without limits in the scenario is not there', async () => {
    expect((await post('/v1/chat/completions', { model: 'gpt-99', messages: [{}] })).status).toBe(404)
  })
  test('a body that is none of the API is 400 and names the member', async () => {
    const { status, body } = await post('/v1/chat/completions', { model: 'gpt-4', messages: 'tides' })
    expect(status).toBe(400)
    expect(JSON.stringify(body)).toContain('/messages')
  })
  test.each<[number, string]>([
    [0, '0s'],
    [12, '12ms'],
    [0.4, '1ms'],
    [1_000, '1s'],
    [13_554, '13.554s'],
    [360_000, '6m0s'],
    [3_600_000, '1h0m0s'],
  ])('%d ms is written as %s', (ms, want) => expect(goDuration(ms)).toBe(want))
})

test('Anthropic: times are RFC 3339, what is left is rounded to thousands', async () => {
  const call = {
    model: 'claude-sonnet-4-6',
    max_tokens: 5_000,
    messages: [{ role: 'user', content: 'tides' }],
  }
  const first = await post('/v1/messages', call, { 'x-simulator-prompt-tokens': '1600' })
  expect(first.status).toBe(200)
  expect(first.headers.get('anthropic-ratelimit-input-tokens-remaining')).toBe('28000')
  expect(first.headers.get('anthropic-ratelimit-output-tokens-reset')).toBe('2026-03-04T05:06:44.500Z')
  const second = await post('/v1/messages', call, { 'x-simulator-prompt-tokens': '1600' })
  expect(second.status).toBe(429)
  expect(second.headers.get('retry-after')).toBe('15')
  expect(second.body).toMatchObject({ type: 'error', error: { type: 'rate_limit_error' } })
})

test('SendGrid: 202 without a body, then 429 with the reset and no Retry-After', async () => {
  const to = Array.from({ length: 1_000 }, (_, n) => ({ email: `reader-${n}@example.com` }))
  const mail = { personalizations: [{ to }], from: { email: 'news@example.com' } }
  expect(await post('/v3/mail/send', mail)).toMatchObject({ status: 202, body: null })
  const { status, headers, body } = await post('/v3/mail/send', mail)
  expect(status).toBe(429)
  expect(body).toEqual({ errors: [{ field: null, message: 'too many requests' }] })
  expect(Number(headers.get('x-ratelimit-reset'))).toBe(nowMs / 1_000 + 60)
  expect(headers.get('retry-after')).toBeNull()
})

test('SES: 400 ThrottlingException and no headers', async () => {
  const mail = { Destination: { ToAddresses: ['reader@example.com'] }, Content: {} }
  expect((await post('/v2/email/outbound-emails', mail)).status).toBe(200)
  const { status, headers, body } = await post('/v2/email/outbound-emails', mail)
  expect([status, headers.get('retry-after')]).toEqual([400, null])
  expect(body).toMatchObject({ __type: 'ThrottlingException', message: 'Maximum sending rate exceeded.' })
})

test('Twilio: 201 with the segments, then 429 with code 20429', async () => {
  const send = (Body: string) =>
    fetch(`${url}/2010-04-01/Accounts/AC1/Messages.json`, {
      method: 'POST',
      headers: { 'x-simulator-duration-ms': '0' },
      body: new URLSearchParams({ To: '+15550100', Body }),
    })
  const first = await send('a'.repeat(10 * 153))
  expect([first.status, ((await first.json()) as { num_segments: string }).num_segments]).toEqual([201, '10'])
  const second = await send('a')
  expect([second.status, ((await second.json()) as { code: number }).code]).toEqual([429, 20_429])
})

test.each([
  [1, 1],
  [160, 1],
  [161, 2],
  [306, 2],
  [307, 3],
])('a text of %d characters has %d segments', (length, want) => {
  expect(segmentsOf('a'.repeat(length))).toBe(want)
})

test('DeepL counts characters; speech, images and hearing are there', async () => {
  expect((await post('/v2/translate', { text: ['tides'], target_lang: 'DE' })).status).toBe(200)
  expect((await post('/v1/images/generations', { model: 'dall-e-3', prompt: 'a tide', n: 2 })).status).toBe(
    200,
  )
  expect((await post('/v1/audio/transcriptions', { model: 'whisper-1', seconds: 90 })).status).toBe(200)
  expect((await post('/v1/text-to-speech/rachel', { text: 'tides' })).status).toBe(200)
})

describe('any other service', () => {
  const work = (units: Record<string, number>, durationMs = 0) =>
    post('/work', { account: 'web', family: 'search', units, durationMs })

  test('units of several dimensions are charged together', async () => {
    expect((await work({ kilobytes: 9_000 })).status).toBe(200)
    const { status, headers } = await work({ kilobytes: 2_000 })
    expect([status, headers.get('retry-after')]).toEqual([429, '60'])
  })
  test('a slot is held as long as the call takes, or until its caller goes away', async () => {
    await fetch(`${url}/admin/scenario`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        name: 'one slot',
        groups: [{ account: 'one', limits: [{ type: 'concurrency', dimension: 'calls', slots: 1 }] }],
      }),
    })
    const hangUp = new AbortController()
    const held = fetch(`${url}/work`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ account: 'one', durationMs: 60_000 }),
      signal: hangUp.signal,
    }).catch(() => 'hung up')
    await logUntil((entries) => entries.some(({ kind }) => kind === 'arrival'))
    expect((await post('/work', { account: 'one', durationMs: 0 })).status).toBe(429)
    hangUp.abort()
    expect(await held).toBe('hung up')
    await logUntil((entries) => entries.some(({ kind }) => kind === 'end'))
    expect((await post('/work', { account: 'one', durationMs: 0 })).status).toBe(200)
  })
})

describe('admin', () => {
  test('a scenario that is wrong is refused and changes nothing', async () => {
    const response = await fetch(`${url}/admin/scenario`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'wrong', groups: [{ account: 'a', limits: [{ type: 'token-bucket' }] }] }),
    })
    expect(response.status).toBe(400)
    expect(await (await fetch(`${url}/admin/scenario`)).json()).toMatchObject({ name: 'default' })
  })
  test('the log is NDJSON, can be read from where one was, and says what was decided and why', async () => {
    const before = (await readLog()).at(-1)?.seq ?? 0
    nowMs += 60_000
    await chat(4_000)
    const entries = await readLog(before)
    expect(entries.map(({ kind }) => kind)).toEqual(['arrival', 'end'])
    expect(entries[0]).toMatchObject({
      seq: before + 1,
      key: 'openai/gpt-4',
      cost: { requests: 1, tokens: 4_000 },
      decision: 'admitted',
      limit: null,
      remaining: [6_000, 499],
    })
  })
})

async function readLog(after = 0) {
  const text = await (await fetch(`${url}/admin/log?after=${after}`)).text()
  return text
    .trim()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => entrySchema.parse(JSON.parse(line)))
}

/** Entries since the last scenario, once they are as wanted. */
async function logUntil(isWanted: (entries: Awaited<ReturnType<typeof readLog>>) => boolean): Promise<void> {
  await expect
    .poll(async () => {
      const entries = await readLog()
      return isWanted(entries.slice(entries.findLastIndex(({ kind }) => kind === 'scenario')))
    })
    .toBe(true)
}

describe('as a process', () => {
  const main = fileURLToPath(new URL('../../simulator/main.ts', import.meta.url))
  const check = fileURLToPath(new URL('../../simulator/check.ts', import.meta.url))

  test('it says when it is ready, keeps its log in a file that the checker reads, and ends on SIGTERM', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'simulator-'))
    try {
      const file = join(folder, 'log.ndjson')
      const child = spawn(process.execPath, [main], {
        env: { ...process.env, PORT: '0', RM_SIMULATOR_LOG: file },
        stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
      })
      const [message] = (await once(child, 'message')) as [{ kind: string; url: string }]
      expect(message.kind).toBe('ready')
      const body = JSON.stringify({ account: 'webhooks', units: { deliveries: 3 }, durationMs: 0 })
      const headers = { 'content-type': 'application/json' }
      expect((await fetch(`${message.url}/work`, { method: 'POST', headers, body })).status).toBe(200)
      child.kill('SIGTERM')
      expect(await once(child, 'exit')).toEqual([0, null])

      expect(readFileSync(file, 'utf8').trim().split('\n')).toHaveLength(3)
      const checker = spawn(process.execPath, [check, file], { stdio: ['ignore', 'pipe', 'inherit'] })
      const printed = (await checker.stdout.toArray()).join('')
      expect(printed).toContain('1 arrivals: 1 admitted, 0 rejected; 0 violations, 0 unjust rejections')
      if (checker.exitCode === null) await once(checker, 'exit')
      expect(checker.exitCode).toBe(0)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })

  test('it ends when the channel to its parent closes', async () => {
    const child = spawn(process.execPath, [main], {
      env: { ...process.env, PORT: '0' },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    await once(child, 'message')
    child.disconnect()
    expect(await once(child, 'exit')).toEqual([0, null])
  })
})
