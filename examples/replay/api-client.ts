// The running system over HTTP: every call with the key, tried again where the answer asks for it.

import { setTimeout as delay } from 'node:timers/promises'

const TRIES_MAX = 60
const RETRY_MS_MAX = 5_000
const TIMEOUT_MS = 30_000
const RETRIED: ReadonlySet<number> = new Set([429, 503])

export type Answer = { readonly status: number; readonly body: unknown }

export class ApiClient {
  readonly #url: string
  readonly #key: string

  constructor({ url, key }: { url: string; key: string }) {
    this.#url = url.replace(/\/+$/, '')
    this.#key = key
  }

  /**
   * Sends the call until it is answered with anything but 429 and 503: requests carry their own id, so that twice is
   * once. Throws where the system cannot be reached or stays unavailable.
   */
  async call(method: string, path: string, body?: unknown): Promise<Answer> {
    let last = 'it was never reached'
    for (let attempt = 1; attempt <= TRIES_MAX; attempt += 1) {
      try {
        const response = await fetch(this.#url + path, {
          method,
          signal: AbortSignal.timeout(TIMEOUT_MS),
          headers: {
            authorization: `Bearer ${this.#key}`,
            ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          },
          ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        })
        const text = await response.text()
        if (!RETRIED.has(response.status)) return { status: response.status, body: parseJson(text) }
        last = `${response.status}: ${text.slice(0, 200)}`
        await delay(retryMs(response.headers.get('retry-after'), attempt))
      } catch (error) {
        last = reasonOf(error)
        if (attempt === 1 && isRefused(error))
          throw new Error(`${this.#url} cannot be reached: ${last}`, { cause: error })
        await delay(retryMs(null, attempt))
      }
    }
    throw new Error(`${method} ${path} at ${this.#url} did not get through: ${last}`)
  }

  /** The body of a 2xx; anything else throws with what was answered. */
  async get(path: string): Promise<unknown> {
    return this.#expect('GET', path, await this.call('GET', path))
  }

  async put(path: string, body: unknown): Promise<unknown> {
    return this.#expect('PUT', path, await this.call('PUT', path, body))
  }

  #expect(method: string, path: string, { status, body }: Answer): unknown {
    if (status >= 200 && status < 300) return body
    throw new Error(`${method} ${path} answered ${status}: ${JSON.stringify(body).slice(0, 500)}`)
  }
}

function retryMs(retryAfter: string | null, attempt: number): number {
  const told = Number(retryAfter ?? Number.NaN) * 1_000
  return Math.min(RETRY_MS_MAX, Number.isNaN(told) ? attempt * 200 : Math.max(100, told))
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

function isRefused(error: unknown): boolean {
  return (
    error instanceof Error &&
    error.cause instanceof Error &&
    'code' in error.cause &&
    error.cause.code === 'ECONNREFUSED'
  )
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? error.cause.message : error.message
}
