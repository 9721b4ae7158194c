// The request workflow (Q1 to Q4) with the real ledger, limiter and worker protocol, on a server whose time can be
// skipped.

import type { WorkflowBundleOption } from '@temporalio/worker'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { readRequest, type RequestRecord } from '../../activities/ledger/read-request.ts'
import { readLimiterView } from '../../activities/ledger/limiter-view.ts'
import { createState, restore } from '../../limiter/state.ts'
import { availability } from '../../limiter/view.ts'
import { bundleOfWorkflows } from '../support/workflows.ts'
import { LIMITER_GROUP, requestWorkflowId, type RequestResult } from '../../workflows/messages.ts'
import { eventually } from '../support/await-state.ts'
import { startTimeSkipping } from '../support/temporal.ts'
import { executionAsk, furnish, startHarness, type Harness } from './harness.ts'

const HOUR_MS = 3_600_000

let workflowBundle: WorkflowBundleOption
let harness: Harness
beforeAll(async () => {
  workflowBundle = await bundleOfWorkflows()
})
beforeEach(async () => {
  harness = await startHarness(await startTimeSkipping(), workflowBundle)
})
afterEach(async () => {
  await harness.stop()
  await harness.env.teardown()
})

async function start(id: string, more: Parameters<typeof executionAsk>[1] = {}): Promise<void> {
  await harness.requests.start(executionAsk(id, more), 'premium')
}

/** The end of a request's workflow; time is skipped while it is awaited. */
async function resultOf(id: string): Promise<RequestResult> {
  return await harness.env.client.workflow.getHandle(requestWorkflowId(id)).result()
}

async function record(id: string): Promise<RequestRecord> {
  const found = await readRequest(harness.sql, id, harness.now())
  if (found === null) throw new Error(`there is no request ${id}`)
  return found
}

async function inState(id: string, state: string): Promise<void> {
  await eventually(async () => (await record(id)).state === state)
}

async function balance(): Promise<{ held: number; used: number }> {
  const [row] = await harness.sql<{ held: string; used: string }[]>`
    select coalesce(sum(held), 0)::bigint as held, coalesce(sum(used), 0)::bigint as used from budget_period`
  return { held: Number(row?.held), used: Number(row?.used) }
}

const CENT = 10_000_000

describe('a request that goes through', () => {
  test('is admitted, granted, executed, and settled at what it used (Q1)', async () => {
    await furnish(harness)
    harness.behave(() => ({ body: { status: 'success', output: { n: 1 }, resourcesConsumed: { gpt: 7 } } }))
    await start('r')
    expect(await resultOf('r')).toEqual({ requestId: 'r', state: 'completed', costUsd: '0.07' })
    expect(harness.calls).toMatchObject([{ requestId: 'r', attempt: 1, resources: { gpt: 10 } }])
    expect((await record('r')).output).toEqual({ n: 1 })
    expect(await balance()).toEqual({ held: 0, used: 7 * CENT })
  })

  test('tells the limiter what the provider told of its limits with the answer (A4)', async () => {
    await furnish(harness, { limits: [{ type: 'sliding-window', units: 100, windowMs: 3_600_000 }] })
    const headers = { 'x-ratelimit-limit': '80', 'x-ratelimit-remaining': '5' }
    harness.behave(() => ({ headers, body: { status: 'success', resourcesConsumed: { gpt: 10 } } }))
    await start('r')
    await resultOf('r')
    await eventually(async () => {
      const view = await readLimiterView(harness.sql, LIMITER_GROUP, 0)
      const state = view === null ? createState() : restore(JSON.parse(view.snapshot))
      const [limit] = availability(state, state.nowMs, 'gpt')[0]?.limits ?? []
      return limit?.observed === 80 && limit.remaining === 5
    })
  })

  test('keeps its lease while its call runs, however long that takes (A3)', async () => {
    await furnish(harness)
    const ends = Promise.withResolvers<void>()
    harness.behave(async () => {
      await ends.promise
      return { body: { status: 'success', output: null } }
    })
    await start('r')
    await eventually(() => harness.calls.length === 1)
    const { expiresAtMs } = await record('r')
    harness.advance(60_000)
    await eventually(async () => ((await record('r')).expiresAtMs ?? 0) > (expiresAtMs ?? 0))
    ends.resolve()
    expect((await resultOf('r')).state).toBe('completed')
  })

  test('waits for its time where it is deferred by eight hours, and holds nothing at the limiter meanwhile', async () => {
    await furnish(harness)
    await start('later', { deferUntilMs: harness.now() + 8 * HOUR_MS })
    await inState('later', 'deferred')
    await start('now')
    await resultOf('now')
    await harness.skip(8 * HOUR_MS + 60_000)
    expect((await resultOf('later')).state).toBe('completed')
    expect(harness.calls.map(({ requestId }) => requestId)).toEqual(['now', 'later'])
  })

  test('is called again after a failure that used nothing, by the policy, under the same grant (A1)', async () => {
    await furnish(harness)
    harness.behave(({ attempt }) =>
      attempt < 3
        ? { status: 503, body: {} }
        : { body: { status: 'success', resourcesConsumed: { gpt: 1 } } },
    )
    await start('r')
    expect((await resultOf('r')).state).toBe('completed')
    expect(harness.calls.map(({ attempt }) => attempt)).toEqual([1, 2, 3])
    expect(await balance()).toEqual({ held: 0, used: CENT })
  })

  test('queues again before another call where the last one used something, and both are billed (A1, A2)', async () => {
    await furnish(harness)
    harness.behave(({ attempt }) =>
      attempt === 1
        ? { status: 500, body: { resourcesConsumed: { gpt: 4 } } }
        : { body: { status: 'success', resourcesConsumed: { gpt: 5 } } },
    )
    await start('r')
    expect(await resultOf('r')).toMatchObject({ state: 'completed', costUsd: '0.09' })
    expect(await balance()).toEqual({ held: 0, used: 9 * CENT })
  })

  test('queues again where its worker asks for a long pause (429, Retry-After)', async () => {
    await furnish(harness)
    harness.behave(({ attempt }) =>
      attempt === 1
        ? { status: 429, headers: { 'retry-after': '600' }, body: {} }
        : { body: { status: 'success', output: null } },
    )
    await start('r')
    await eventually(() => harness.calls.length === 1)
    await harness.skip(599_000)
    expect(harness.calls).toHaveLength(1)
    await harness.skip(10_000)
    expect((await resultOf('r')).state).toBe('completed')
  })

  test('takes the result that its worker posts later (202)', async () => {
    await furnish(harness)
    harness.behave(() => ({ status: 202, body: {} }))
    await start('r')
    await eventually(() => harness.calls.length === 1)
    await harness.requests.sendResult('r', {
      status: 'success',
      output: 'late',
      use: { kind: 'reported', consumed: { gpt: 2 }, costNanoUsd: null },
      error: null,
    })
    expect(await resultOf('r')).toMatchObject({ state: 'completed', costUsd: '0.02' })
  })
})

describe('a request that does not', () => {
  test('is refused by an exhausted budget, and leaves nothing behind', async () => {
    await furnish(harness, { budgetNanoUsd: 9 * CENT })
    await start('r')
    expect((await resultOf('r')).state).toBe('refused')
    expect((await record('r')).refusal).toMatchObject({ code: 'budget-exceeded' })
    expect(await balance()).toEqual({ held: 0, used: 0 })
  })

  test('expires where it waited as long as it may', async () => {
    await furnish(harness)
    harness.behave(() => 'hang')
    await start('holder')
    await inState('holder', 'executing')
    await start('r', { maxWaitMs: HOUR_MS })
    await inState('r', 'waiting')
    await harness.operations.send({ kind: 'pause', paused: true })
    await harness.requests.cancel('holder')
    await resultOf('holder')
    await harness.skip(HOUR_MS + 60_000)
    expect((await resultOf('r')).state).toBe('expired')
    expect((await balance()).held).toBe(0)
  })

  test('fails for good where the worker says so, and is billed for what it used', async () => {
    await furnish(harness)
    harness.behave(() => ({
      body: { status: 'failure', error: 'no such topic', resourcesConsumed: { gpt: 3 } },
    }))
    await start('r')
    expect(await resultOf('r')).toMatchObject({ state: 'failed', costUsd: '0.03' })
    expect((await record('r')).error).toMatchObject({ detail: 'no such topic' })
    expect(harness.calls).toHaveLength(1)
  })

  test('fails with the reason where its worker never answers sense', async () => {
    await furnish(harness)
    harness.behave(() => ({ body: 'hello' }))
    await start('r')
    expect(await resultOf('r')).toMatchObject({ state: 'failed', costUsd: '0' })
    expect(harness.calls).toHaveLength(3)
    expect(await balance()).toEqual({ held: 0, used: 0 })
  })

  test('is booked at the worst case where its last call never answered', async () => {
    await furnish(harness, { timeoutMs: 100 })
    harness.behave(() => 'crash')
    await start('r')
    expect(await resultOf('r')).toMatchObject({ state: 'failed', costUsd: '0.3' })
    expect(await balance()).toEqual({ held: 0, used: 30 * CENT })
  })
})

describe('cancelled', () => {
  test('while deferred: nothing is charged, nobody is called', async () => {
    await furnish(harness)
    await start('r', { deferUntilMs: harness.now() + 8 * HOUR_MS })
    await inState('r', 'deferred')
    await harness.requests.cancel('r')
    expect(await resultOf('r')).toMatchObject({ state: 'cancelled', costUsd: '0' })
    expect(await balance()).toEqual({ held: 0, used: 0 })
  })

  test('while waiting: it leaves the queue, and the next one moves up', async () => {
    await furnish(harness)
    const held = Promise.withResolvers<void>()
    harness.behave(async ({ requestId }) => {
      if (requestId === 'holder') await held.promise
      return { body: { status: 'success', output: null } }
    })
    await start('holder')
    await inState('holder', 'executing')
    await start('r')
    await inState('r', 'waiting')
    await harness.requests.cancel('r')
    expect(await resultOf('r')).toMatchObject({ state: 'cancelled', costUsd: '0' })
    await start('next')
    held.resolve()
    expect((await resultOf('next')).state).toBe('completed')
    expect(harness.calls.map(({ requestId }) => requestId)).toEqual(['holder', 'next'])
  })

  test("while executing: by Temporal's own cancel as well, and its unknown use is booked as assumed", async () => {
    await furnish(harness)
    harness.behave(() => 'hang')
    await start('r')
    await inState('r', 'executing')
    await harness.env.client.workflow.getHandle(requestWorkflowId('r')).cancel()
    expect(await resultOf('r')).toMatchObject({ state: 'cancelled', costUsd: '0.1' })
    expect(await balance()).toEqual({ held: 0, used: 10 * CENT })
  })

  test('after it has ended: it stays as it ended', async () => {
    await furnish(harness)
    await start('r')
    await resultOf('r')
    expect(await harness.requests.cancel('r')).toBe(false)
    expect((await record('r')).state).toBe('completed')
  })
})

test('a workflow that an operator ended gives its slot back, and its hold', async () => {
  await furnish(harness)
  harness.behave(({ requestId }) =>
    requestId === 'holder' ? 'hang' : { body: { status: 'success', output: null } },
  )
  await start('holder')
  await inState('holder', 'executing')
  await start('victim')
  await inState('victim', 'waiting')
  await harness.env.client.workflow.getHandle(requestWorkflowId('victim')).terminate('by an operator')
  await harness.requests.cancel('holder')
  await resultOf('holder')
  await start('next')
  expect((await resultOf('next')).state).toBe('completed')
  await inState('victim', 'cancelled')
  expect((await balance()).held).toBe(0)
})
