// One life of the limiter workflow (L1 to L4), on a server whose time can be skipped.

import type { WorkflowBundleOption } from '@temporalio/worker'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { bundleOfWorkflows } from '../support/workflows.ts'
import { eventually } from '../support/await-state.ts'
import { startTimeSkipping } from '../support/temporal.ts'
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
})
