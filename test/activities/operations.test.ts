// What the limiter's server has received, signal by signal; no limiter runs.

import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TestWorkflowEnvironment } from '@temporalio/testing'
import { defaultPayloadConverter } from '@temporalio/common'
import { pino } from 'pino'
import { Operations } from '../../activities/operations.ts'
import { limiterWorkflowId, type OperationsBatch } from '../../workflows/messages.ts'
import { startDevServer } from '../support/temporal.ts'

let env: TestWorkflowEnvironment
beforeAll(async () => {
  env = await startDevServer()
})
afterAll(() => env.teardown())

async function signalsOf(group: string): Promise<readonly (readonly string[])[]> {
  const { events } = await env.client.workflow.getHandle(limiterWorkflowId(group)).fetchHistory()
  return (events ?? []).flatMap(({ workflowExecutionSignaledEventAttributes: signal }) => {
    const [payload] = signal?.input?.payloads ?? []
    if (!payload) return []
    const { operations } = defaultPayloadConverter.fromPayload<OperationsBatch>(payload)
    return [operations.map((operation) => ('id' in operation ? operation.id : operation.kind))]
  })
}

const unheard = { deliver: () => Promise.resolve(), log: pino({ level: 'silent' }) }

test('O1, O2, O3: the first goes at once, the others together in their order, each durable when it is told', async () => {
  const operations = new Operations(env.client.workflow, {
    group: 'batches',
    historyEventsMax: 1_000,
    ...unheard,
  })
  const ids = Array.from({ length: 105 }, (_, nth) => `x${nth}`)
  const sent = ids.map((id) => operations.send({ kind: 'cancel', id }))
  await sent[0]
  expect((await signalsOf('batches'))[0]).toEqual(['x0'])
  await Promise.all(sent)
  expect(await signalsOf('batches')).toEqual([['x0'], ids.slice(1, 101), ids.slice(101)])
  await operations.close()
})

test('O2: whoever cannot be told hears so', async () => {
  const closed = await startDevServer()
  const { client } = closed
  await closed.teardown()
  const operations = new Operations(client.workflow, { group: 'gone', historyEventsMax: 1_000, ...unheard })
  await expect(operations.send({ kind: 'cancel', id: 'x' })).rejects.toThrow()
})
