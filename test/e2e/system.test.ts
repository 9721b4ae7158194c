// The whole system as a user has it: one start, requests by REST through a worker in another process, kill -9 of
// everything in the middle, another start, and a ledger without a difference.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startSystem, type System } from '../../bench/system.ts'
import { eventually } from '../support/await-state.ts'

const folder = mkdtempSync(join(tmpdir(), 'resource-manager-e2e-'))
const environment = { RM_ADMIN_KEY: 'the-key-of-the-test', RM_CONFIG: 'config/empty.yaml' }
const START_TIMEOUT_MS = 90_000
const COUNT = 24

let system: System
beforeAll(async () => {
  system = await startSystem(folder, environment)
}, START_TIMEOUT_MS)
afterAll(async () => {
  await system.stop()
  rmSync(folder, { recursive: true, force: true })
}, START_TIMEOUT_MS)

type Answer = { readonly status: number; readonly body: Record<string, unknown> }

async function call(
  method: string,
  path: string,
  body?: unknown,
  headers?: Record<string, string>,
): Promise<Answer> {
  const response = await system.call(method, path, body, headers)
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}

async function put(path: string, body: unknown): Promise<void> {
  expect(await call('PUT', path, body)).toMatchObject({ status: 201 })
}

async function executions(): Promise<readonly Record<string, unknown>[]> {
  const { body } = await call('GET', '/api/executions?clientId=acme&limit=200')
  return body['items'] as Record<string, unknown>[]
}

test('a request is queued, executed by a worker in another process, and paid', async () => {
  await put('/admin/resources/gpt/tokens', {
    unit: 'tokens',
    limits: [{ type: 'token-bucket', capacity: 1_000, refillUnits: 1_000, refillMs: 60_000 }],
  })
  await put('/admin/resources/gpt/slots', { unit: 'slots', limits: [{ type: 'concurrency', slots: 6 }] })
  await put('/admin/prices/gpt/tokens', { perUnitUsd: '0.01' })
  await put('/admin/prices/gpt/slots', { perUnitUsd: '0' })
  await put('/api/clients/acme', {
    tier: 'premium',
    budgets: [{ unit: 'USD', amount: '50', period: 'total', enforcement: 'hard' }],
  })
  const request = {
    requestId: 'first',
    clientId: 'acme',
    worker: 'echo',
    action: 'work',
    input: { consume: { 'gpt/tokens': 7 }, output: { hello: 'world' } },
    resources: { 'gpt/tokens': 10, 'gpt/slots': 1 },
  }
  const answer = await call('POST', '/api/execute', request, { prefer: 'wait=20' })
  expect(answer).toMatchObject({
    status: 200,
    body: {
      state: 'completed',
      output: { hello: 'world' },
      resources: { reserved: { 'gpt/tokens': 10, 'gpt/slots': 1 }, actual: { 'gpt/tokens': 7 } },
      cost: { estimatedUsd: '0.1', actualUsd: '0.07', heldUsd: '0' },
      attempts: 1,
    },
  })
  expect(await call('POST', '/api/execute', request)).toMatchObject({ body: { state: 'completed' } })
  await eventually(async () => {
    const { body } = await call('GET', '/api/resources/availability?id=gpt/slots')
    const [slots] = body['resources'] as { available: number; inFlight: number }[]
    return slots?.available === 6 && slots.inFlight === 0
  })
})

test('kill -9 of everything: after another start each request ends, once, and is charged once', async () => {
  for (let index = 0; index < COUNT; index += 1) {
    const input = { sleepMs: 700, consume: { 'gpt/tokens': 3 }, output: index }
    const resources = { 'gpt/tokens': 5, 'gpt/slots': 1 }
    const body = {
      requestId: `r-${index}`,
      clientId: 'acme',
      worker: 'echo',
      action: 'work',
      input,
      resources,
    }
    expect((await call('POST', '/api/execute', body)).status).toBe(202)
  }
  await eventually(async () => (await executions()).some(({ state }) => state === 'executing'))
  await system.kill()
  system = await startSystem(folder, environment)
  await eventually(
    async () => {
      const states = (await executions()).map(({ state }) => state)
      return states.length === COUNT + 1 && states.every((state) => state === 'completed')
    },
    { timeoutMs: 60_000 },
  )
  const { body } = await call('GET', '/api/usage/acme/current')
  expect(body).toMatchObject({
    budgets: [{ used: (0.07 + COUNT * 0.03).toFixed(2), held: '0' }],
    concurrent: { used: 0 },
  })
  expect(await checkedLedger()).toBe('0 differences')
}, 180_000)

async function checkedLedger(): Promise<string> {
  const child = spawn(process.execPath, ['ops/ledger-check.ts'], {
    env: { ...process.env, RM_DATA_DIR: folder },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let printed = ''
  child.stdout.on('data', (chunk: Buffer) => (printed += chunk.toString()))
  await once(child, 'close')
  return printed.trim()
}
