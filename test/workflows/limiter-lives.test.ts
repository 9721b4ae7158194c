// Many lives of the limiter workflow (L2): continue-as-new in the middle of grants, on a real server. The time-skipping
// one stands still for ever where a new run leaves an activity behind.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { bundleOfWorkflows } from '../support/workflows.ts'
import { eventually } from '../support/await-state.ts'
import type { Limit } from '../../domain/limit.ts'
import { limiterWorkflowId } from '../../workflows/messages.ts'
import { startDevServer } from '../support/temporal.ts'
import { ids, reserve, slots, withLimiter, type Stage } from './scene.ts'

const COUNT = 120
const PER_WINDOW = 20
const WINDOW_MS = 300

let stage: Stage
beforeAll(async () => {
  const [env, workflowBundle] = await Promise.all([startDevServer(), bundleOfWorkflows()])
  stage = { env, workflowBundle }
})
afterAll(() => stage.env.teardown())

test('grants survive continue-as-new and failing deliveries: each reaches its holder, none twice (L2, L6)', async () => {
  const limits: readonly Limit[] = [{ type: 'sliding-window', units: PER_WINDOW, windowMs: WINDOW_MS }]
  let deliveries = 0
  const beforeDelivery = (): void => {
    deliveries += 1
    if (deliveries % 3 === 0) throw new Error('the ledger is away')
  }
  await withLimiter(
    stage,
    { limits, historyEventsMax: 15, beforeDelivery },
    async ({ operations, of, runs }) => {
      const reserves = await Promise.all(
        Array.from({ length: COUNT }, (_, index) => reserve(stage, `r${index}`)),
      )
      await Promise.all(reserves.map((operation) => operations.send(operation)))
      await eventually(() => new Set(ids(of('granted'))).size === COUNT, { timeoutMs: 20_000 })

      const grantedAtMs = new Map(of('granted').map(({ id, atMs }) => [id, atMs]))
      for (const { id, atMs } of of('granted'))
        expect(grantedAtMs.get(id), `${id} was granted twice`).toBe(atMs)
      const times = [...grantedAtMs.values()].sort((a, b) => a - b)
      for (const [index, time] of times.entries()) {
        const inWindow = times.slice(index).filter((other) => other < time + WINDOW_MS).length
        expect(inWindow, 'grants in a window').toBeLessThanOrEqual(PER_WINDOW)
      }
      expect(runs.size, 'runs of the workflow').toBeGreaterThan(2)
      expect(of('timed-out')).toEqual([])
    },
  )
})

test('operators may force a new run; nobody notices', async () => {
  await withLimiter(stage, { limits: [slots(1)] }, async ({ operations, of, runs, group }) => {
    await operations.send(await reserve(stage, 'holder'))
    await operations.send(await reserve(stage, 'waiter'))
    await eventually(() => of('queued').length === 1)
    await stage.env.client.workflow.getHandle(limiterWorkflowId(group)).signal('continueAsNew')
    await operations.send({ kind: 'settle', id: 'holder', actual: null })
    await eventually(() => ids(of('granted')).includes('waiter'))
    await eventually(() => runs.size === 2)
  })
})
