// The simulated providers over HTTP, for the length of a test file, on a clock that a test moves by hand.

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll } from 'vitest'
import { createSimulator } from '../../simulator/app.ts'
import { openLog, type Log } from '../../simulator/log.ts'
import { scenarioSchema } from '../../simulator/scenario.ts'
import { START_MS } from './stand.ts'

export type HttpStand = {
  readonly url: string
  readonly log: Log
  readonly setMs: (sinceStartMs: number) => void
  readonly post: (path: string, body: unknown, headers?: Record<string, string>) => Promise<Answered>
}

export type Answered = { readonly status: number; readonly headers: Headers; readonly text: string }

/** Each group is an account of its own, named by its key. */
export async function serve(groups: Readonly<Record<string, object>>): Promise<HttpStand> {
  let nowMs = START_MS
  const log = openLog(null)
  const scenario = scenarioSchema.parse({
    name: 'test',
    groups: Object.entries(groups).map(([account, group]) => ({ account, limits: [], ...group })),
  })
  const server = createServer(createSimulator({ scenario, clock: () => nowMs * 1_000, log }))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  afterAll(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const url = `http://127.0.0.1:${port}`
  return {
    url,
    log,
    setMs: (sinceStartMs) => (nowMs = START_MS + sinceStartMs),
    async post(path, body, headers = {}) {
      const response = await fetch(url + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify(body),
      })
      return { status: response.status, headers: response.headers, text: await response.text() }
    },
  }
}

/** A chat completion at the account. */
export async function chat(
  { post }: HttpStand,
  account: string,
  { body = {}, headers = {} }: { body?: object; headers?: Record<string, string> } = {},
): Promise<Answered> {
  const whole = { model: 'm', messages: [{ role: 'user', content: 'tides' }], max_tokens: 100, ...body }
  return post('/v1/chat/completions', whole, {
    'x-simulator-account': account,
    'x-simulator-prompt-tokens': '10',
    'x-simulator-completion-tokens': '20',
    ...headers,
  })
}
