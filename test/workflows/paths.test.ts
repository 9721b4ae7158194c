// Every path of a request on a real server, once. With RECORD_HISTORIES=1 their histories become the ones that
// replay.test.ts holds later versions to.

import { mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { TestWorkflowEnvironment } from '@temporalio/testing'
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readRequest } from '../../activities/ledger/read-request.ts'
import { LIMITER_GROUP, limiterWorkflowId, requestWorkflowId } from '../../workflows/messages.ts'
import { eventually } from '../support/await-state.ts'
import { startDevServer } from '../support/temporal.ts'
import { bundleOfWorkflows } from '../support/workflows.ts'
import { executionAsk, furnish, startHarness, type Answer, type Harness } from './harness.ts'

const PROJECT = fileURLToPath(new URL('../../', import.meta.url))
const FOLDER = new URL('../histories/', import.meta.url)
const SUCCESS: Answer = { body: { status: 'success', output: null, resourcesConsumed: { gpt: 1 } } }

let env: TestWorkflowEnvironment
let harness: Harness
beforeAll(async () => {
  env = await startDevServer()
  harness = await startHarness(env, await bundleOfWorkflows())
  await furnish(harness)
})
afterAll(async () => {
  await harness.stop()
  await env.teardown()
})

const paths: Record<string, { ask?: Parameters<typeof executionAsk>[1]; answers: Answer[]; want: string }> = {
  completed: { answers: [SUCCESS], want: 'completed' },
  retried: { answers: [{ status: 503, body: {} }, SUCCESS], want: 'completed' },
  'queued-again': {
    answers: [{ status: 500, body: { resourcesConsumed: { gpt: 2 } } }, SUCCESS],
    want: 'completed',
  },
  refused: { ask: { worker: 'nobody' }, answers: [], want: 'refused' },
}

for (const [name, { ask, answers, want }] of Object.entries(paths)) {
  test(`a request that is ${name}`, async () => {
    const left = [...answers]
    harness.behave(() => left.shift() ?? SUCCESS)
    await harness.requests.start(executionAsk(name, ask), 'premium')
    const result: unknown = await env.client.workflow.getHandle(requestWorkflowId(name)).result()
    expect(result).toMatchObject({ state: want })
    await keep(`request-${name}`, requestWorkflowId(name))
  })
}

test('a request that is deferred', async () => {
  harness.behave(() => SUCCESS)
  await harness.requests.start(executionAsk('deferred', { deferUntilMs: Date.now() + 1_500 }), 'premium')
  expect(await env.client.workflow.getHandle(requestWorkflowId('deferred')).result()).toMatchObject({
    state: 'completed',
  })
  await keep('request-deferred', requestWorkflowId('deferred'))
})

test('a request that is cancelled while it is executed', async () => {
  harness.behave(() => 'hang')
  await harness.requests.start(executionAsk('cancelled'), 'premium')
  await eventually(
    async () => (await readRequest(harness.sql, 'cancelled', Date.now()))?.state === 'executing',
  )
  await harness.requests.cancel('cancelled')
  expect(await env.client.workflow.getHandle(requestWorkflowId('cancelled')).result()).toMatchObject({
    state: 'cancelled',
  })
  await keep('request-cancelled', requestWorkflowId('cancelled'))
})

test('the limiter that served them, and its next life', async () => {
  const handle = env.client.workflow.getHandle(limiterWorkflowId(LIMITER_GROUP))
  const { runId } = await handle.describe()
  await handle.signal('continueAsNew')
  await eventually(async () => (await handle.describe()).runId !== runId)
  await keep('limiter-answered', limiterWorkflowId(LIMITER_GROUP), runId)
})

async function keep(name: string, workflowId: string, runId?: string): Promise<void> {
  const history = await env.client.workflow.getHandle(workflowId, runId).fetchHistory()
  expect(history.events?.length).toBeGreaterThan(3)
  if (process.env['RECORD_HISTORIES'] !== '1') return
  mkdirSync(FOLDER, { recursive: true })
  // Stack traces name the project's files, not where the project happens to be.
  writeFileSync(new URL(`${name}.json`, FOLDER), historyToJSON(history).replaceAll(PROJECT, ''))
}
