// A client of the facade: what it sent, what came back.

import { eventually } from '../support/await-state.ts'
import { ADMIN_KEY, type Served } from './stand.ts'

export type Answer = {
  readonly status: number
  readonly headers: Headers
  // eslint-disable-next-line typescript/no-explicit-any -- an answer is looked at, not trusted
  readonly body: any
}

type Options = {
  readonly key?: string | null
  readonly headers?: Readonly<Record<string, string>>
}

export type Client = {
  get(path: string, options?: Options): Promise<Answer>
  put(path: string, body: unknown, options?: Options): Promise<Answer>
  post(path: string, body?: unknown, options?: Options): Promise<Answer>
  delete(path: string, options?: Options): Promise<Answer>
  /** A body as it is, whatever its type. */
  raw(method: string, path: string, body: string, headers: Readonly<Record<string, string>>): Promise<Answer>
}

export function clientOf({ url }: Pick<Served, 'url'>): Client {
  const send = async (method: string, path: string, body: string | undefined, options: Options) => {
    const { key = ADMIN_KEY, headers = {} } = options
    const response = await fetch(url + path, {
      method,
      headers: {
        ...(key !== null && { authorization: `Bearer ${key}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body }),
    })
    const text = await response.text()
    const isJson = /[/+]json/.test(response.headers.get('content-type') ?? '')
    return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text }
  }
  const withBody =
    (method: string) =>
    (path: string, body?: unknown, options: Options = {}) =>
      send(method, path, body === undefined ? undefined : JSON.stringify(body), options)
  return {
    get: (path, options = {}) => send('GET', path, undefined, options),
    put: withBody('PUT'),
    post: withBody('POST'),
    delete: (path, options = {}) => send('DELETE', path, undefined, options),
    raw: (method, path, body, headers) => send(method, path, body, { headers }),
  }
}

export const BUCKET = { type: 'token-bucket', capacity: 100, refillUnits: 100, refillMs: 60_000 }

/** A small world: one tier, one client, two priced resources, one worker. */
export async function furnish(client: Client): Promise<void> {
  const answers = [
    await client.put('/admin/tiers/standard', { points: 20, weight: 2 }),
    await client.put('/admin/resources/gpt/tokens', { unit: 'tokens', limits: [BUCKET] }),
    await client.put('/admin/resources/gpu', {
      unit: 'slots',
      kind: 'infrastructure',
      limits: [{ type: 'concurrency', slots: 2 }],
    }),
    await client.put('/admin/prices/gpt/tokens', {
      perUnitUsd: '0.001',
      effectiveFrom: '2020-01-01T00:00:00Z',
    }),
    await client.put('/admin/prices/gpu', { perUnitUsd: '0', effectiveFrom: '2020-01-01T00:00:00Z' }),
    await client.put('/api/clients/acme', { tier: 'standard' }),
    await client.put('/api/workers/echo', {
      resourceRequirements: { typical: { 'gpt/tokens': 10 }, maximum: { 'gpt/tokens': 50 } },
      endpoints: { execute: 'http://127.0.0.1:1/execute' },
    }),
  ]
  const bad = answers.find(({ status }) => status >= 300)
  if (bad !== undefined) throw new Error(`furnishing failed: ${JSON.stringify(bad.body)}`)
}

/** Resolves when the execution is in the hands of its worker. */
export async function untilExecuting(client: Client, id: string): Promise<void> {
  await eventually(async () => (await client.get(`/api/execution/${id}`)).body.state === 'executing')
}
