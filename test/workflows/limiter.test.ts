// One life of the limiter workflow (L1 to L5), on a server whose time can be skipped.

import type { WorkflowBundleOption } from '@temporalio/worker'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { bundleOfWorkflows } from '../support/workflows.ts'
import { eventually } from '../support/await-state.ts'
import { startTimeSkipping } from '../support/temporal.ts'
import {
  limiterWorkflowId,
  OPERATIONS_SIGNAL,
  OPERATIONS_UPDATE,
  type OperationsAnswer,
  type OperationsBatch,
} from '../../workflows/messages.ts'
import { HOUR_MS, ids, reserve, slots, withLimiter, type Stage } from './scene.ts'

// A server for each test: its time stands still for ever where a terminated workflow leaves an activity behind.
let workflowBundle: WorkflowBundleOption
let stage: Stage
beforeAll(async () => {
  workflowBundle = await bundleOfWorkflows()
})
beforeEach(async () => {
  stage = { env: await startTimeSkipping(), workflowBundle }
})
afterEach(() => stage.env.teardown())

describe('one life', () => {
  test('a cold start loads the configuration before the first operation is decided (L4)', async () => {
    await withLimiter(stage, { limits: [slots(1)] }, async ({ operations, of, loads }) => {
      await operations.send(await reserve(stage, 'a'))
      await eventually(() => of('granted').length === 1)
      expect(loads).toHaveLength(1)
      expect(of('rejected')).toEqual([])
    })
  })

  test('a cold start holds the slots of leases that the ledger knows (L4)', async () => {
    const nowMs = await stage.env.currentTimeMs()
    const adopted = { kind: 'adopt', atMs: nowMs, id: 'old', clientId: 'acme', demand: [['gpt', 1]] } as const
    const known = [{ ...adopted, expiresAtMs: nowMs + HOUR_MS }]
    await withLimiter(stage, { limits: [slots(1)], known }, async ({ operations, of }) => {
      await operations.send(await reserve(stage, 'a'))
      await eventually(() => of('queued').length === 1)
      await operations.send({ kind: 'settle', id: 'old', actual: null })
      await eventually(() => ids(of('granted')).includes('a'))
    })
  })

  test('whoever waits too long is told at that time, and not before', async () => {
    await withLimiter(stage, { limits: [slots(1)] }, async ({ operations, of }) => {
      await operations.send(await reserve(stage, 'holder'))
      const waiting = await reserve(stage, 'late')
      await operations.send(waiting)
      await eventually(() => of('queued').length === 1)
      await stage.env.sleep(HOUR_MS - 60_000)
      expect(of('timed-out')).toEqual([])
      await stage.env.sleep(61_000)
      const [timedOut] = await eventually(() => of('timed-out').length > 0 && of('timed-out'))
      expect(timedOut?.id).toBe('late')
      expect(timedOut?.atMs).toBeGreaterThanOrEqual(waiting.waitUntilMs)
    })
  })

  test('a lease that ends gives its slot to the next', async () => {
    await withLimiter(stage, { limits: [slots(1)] }, async ({ operations, of }) => {
      await operations.send(await reserve(stage, 'short', { leaseMs: 60_000 }))
      await operations.send(await reserve(stage, 'next'))
      await eventually(() => of('queued').length === 1)
      await stage.env.sleep(61_000)
      await eventually(() => ids(of('granted')).includes('next'))
      expect(ids(of('lease-expired'))).toEqual(['short'])
    })
  })

  test('twice is once, and a cancel that comes first voids the reserve', async () => {
    await withLimiter(stage, { limits: [slots(2)] }, async ({ operations, of }) => {
      await operations.send({ kind: 'cancel', id: 'void' })
      await operations.send(await reserve(stage, 'void'))
      const twice = await reserve(stage, 'twice')
      await Promise.all([operations.send(twice), operations.send(twice)])
      await operations.send(await reserve(stage, 'other'))
      await eventually(() => ids(of('granted')).includes('other'))
      expect(new Set(ids(of('granted')))).toEqual(new Set(['twice', 'other']))
      await operations.send({ kind: 'settle', id: 'twice', actual: null })
      await operations.send({ kind: 'settle', id: 'twice', actual: null })
      await operations.send(await reserve(stage, 'last'))
      await operations.send(await reserve(stage, 'one too many'))
      await eventually(() => of('queued').length === 1)
      expect(ids(of('queued'))).toEqual(['one too many'])
    })
  })

  test('what the sender of a batch does not deliver, the limiter delivers (L5, O5)', async () => {
    await withLimiter(
      stage,
      { limits: [slots(1)], areAnswersDelivered: false },
      async ({ operations, of }) => {
        // The first batch starts the limiter: there is nobody yet to give an answer.
        await operations.send(await reserve(stage, 'holder'))
        await eventually(() => ids(of('granted')).includes('holder'))
        await operations.send({ kind: 'settle', id: 'holder', actual: null })
        await operations.send(await reserve(stage, 'next'))
        expect(of('settled')).toEqual([])
        expect(ids(of('granted'))).toEqual(['holder'])
        await stage.env.sleep(4_000)
        await eventually(() => ids(of('granted')).includes('next'))
        expect(ids(of('settled'))).toEqual(['holder'])
      },
    )
  })

  test('who asks is answered with the decision, and with the same when it asks again (O6)', async () => {
    await withLimiter(stage, { limits: [slots(1)] }, async ({ operations }) => {
      await operations.send({ kind: 'cancel', id: 'nobody' })
      const asked = await reserve(stage, 'one')
      const decision = await operations.ask(asked)
      expect(decision).toMatchObject({ kind: 'granted', id: 'one' })
      expect(await operations.ask(asked)).toEqual(decision)
    })
  })

  test('a batch that comes as an update and as a signal is applied once, and its effects reach somebody (O4)', async () => {
    await withLimiter(stage, { limits: [slots(1)] }, async ({ operations, of, group }) => {
      await operations.send(await reserve(stage, 'holder'))
      await operations.send(await reserve(stage, 'boosted twice'))
      await operations.send(await reserve(stage, 'boosted more'))
      await eventually(() => of('queued').length === 2)
      const handle = stage.env.client.workflow.getHandle(limiterWorkflowId(group))
      const batch: OperationsBatch = {
        v: 2,
        id: 'the batch',
        operations: [{ kind: 'boost', id: 'boosted twice', points: 6 }, await reserve(stage, 'new')],
        delivered: [],
      }
      const answer = await handle.executeUpdate<OperationsAnswer, [OperationsBatch]>(OPERATIONS_UPDATE, {
        args: [batch],
      })
      expect(answer.effects).toMatchObject([{ kind: 'queued', id: 'new' }])
      expect(ids(of('queued'))).not.toContain('new')
      await handle.signal(OPERATIONS_SIGNAL, batch)
      await eventually(() => ids(of('queued')).includes('new'))
      await operations.send({ kind: 'boost', id: 'boosted more', points: 10 })
      await operations.send({ kind: 'settle', id: 'holder', actual: null })
      await eventually(() => of('granted').length === 2)
      expect(ids(of('granted'))).toEqual(['holder', 'boosted more'])
    })
  })
})
