// The upkeep on a real server: its schedules, and what a run of it repairs.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { admit } from '../../activities/ledger/admit.ts'
import { checkLedger } from '../../activities/ledger/check.ts'
import { getBudgets } from '../../activities/ledger/get-budgets.ts'
import { readRequest } from '../../activities/ledger/read-request.ts'
import { recordEffects } from '../../activities/ledger/record-effects.ts'
import { reportUsage } from '../../activities/ledger/usage-report.ts'
import { NO_SCOPE } from '../../domain/scope.ts'
import { UPKEEPS, keepSchedules, scheduleId } from '../../ops/upkeep-schedules.ts'
import { REQUEST_TASK_QUEUE, requestWorkflowId, type UpkeepReport } from '../../workflows/messages.ts'
import { eventually } from '../support/await-state.ts'
import { startDevServer } from '../support/temporal.ts'
import { bundleOfWorkflows } from '../support/workflows.ts'
import { executionAsk, furnish, startHarness, type Harness } from './harness.ts'

const MINUTE_MS = 60_000

let harness: Harness
beforeAll(async () => {
  const [env, bundle] = await Promise.all([startDevServer(), bundleOfWorkflows()])
  harness = await startHarness(env, bundle)
  await furnish(harness, { limits: [{ type: 'concurrency', slots: 9, per: 'reservation' }] })
})
afterAll(async () => {
  await harness.stop()
  await harness.env.teardown()
})

let runs = 0

async function run(workflow: 'repair' | 'housekeeping'): Promise<UpkeepReport> {
  const workflowId = `${workflow}-${(runs += 1)}`
  return await harness.env.client.workflow.execute(workflow, { workflowId, taskQueue: REQUEST_TASK_QUEUE })
}

function reservationAsk(id: string, maxWaitMs: number) {
  const { clientId, urgency } = executionAsk(id)
  const asked = { id, bodyHash: id, clientId, urgency, scope: NO_SCOPE, maxWaitMs, costNanoUsd: null }
  return { kind: 'reservation', ...asked, resources: { gpt: 1 }, ttlMs: MINUTE_MS } as const
}

async function stateOf(id: string): Promise<string | undefined> {
  return (await readRequest(harness.sql, id, harness.now()))?.state
}

async function held(): Promise<number> {
  const [standing] = await getBudgets(harness.sql, 'acme', harness.now())
  return standing?.held ?? -1
}

describe('a run of the repair', () => {
  test('ends a request whose workflow was terminated, and books what it may have used; one that runs is left alone (O1 to O3)', async () => {
    harness.behave(() => 'hang')
    await harness.requests.start(executionAsk('orphan'), 'premium')
    await eventually(() => harness.calls.some(({ requestId }) => requestId === 'orphan'))
    expect((await run('repair'))['endOrphans']).toBeUndefined()
    await harness.env.client.workflow.getHandle(requestWorkflowId('orphan')).terminate('the test')
    await eventually(async () => {
      await run('repair')
      return (await stateOf('orphan')) === 'cancelled'
    })
    expect(await held()).toBe(0)
    expect(await checkLedger(harness.sql)).toEqual([])
  })

  test('sends again what the limiter was never told of, and ends what it has forgotten (L1, V1, V2, E1)', async () => {
    const { sql, now } = harness
    await admit(sql, reservationAsk('lost', 10 * MINUTE_MS), now() - MINUTE_MS)
    await admit(sql, reservationAsk('waited', MINUTE_MS), now() - 3 * MINUTE_MS)
    await admit(sql, reservationAsk('leased', 0), now() - 3 * MINUTE_MS)
    const grantedMs = now() - 3 * MINUTE_MS
    const times = { atMs: grantedMs, startByMs: grantedMs + MINUTE_MS, expiresAtMs: grantedMs + MINUTE_MS }
    await recordEffects(sql, [
      { kind: 'granted', id: 'leased#1', ...times, demand: [['gpt', 1]], waitedFor: null, configVersion: 1 },
    ])
    const report = await run('repair')
    expect(report['endOverdue']).toEqual(expect.arrayContaining(['leased']))
    expect(report['resendLost']).toEqual(expect.arrayContaining(['lost']))
    await eventually(async () => (await stateOf('lost')) === 'granted')
    await eventually(async () => (await stateOf('waited')) === 'expired')
    expect(await stateOf('leased')).toBe('expired')
    expect(await checkLedger(sql)).toEqual([])
  })

  test('rolls usage up', async () => {
    const { sql, now } = harness
    await run('repair')
    expect(await sql`select id from usage_inbox`).toEqual([])
    // Whole hours are told: the one before may be that of the first requests.
    const span = { fromMs: now() - 120 * MINUTE_MS, toMs: now() + MINUTE_MS }
    const { total } = await reportUsage(sql, {
      clientId: 'acme',
      groupBy: 'day',
      after: null,
      limit: 9,
      ...span,
    })
    expect(total.requests).toBe(4)
  })
})

test('a step that fails keeps no other one from running, and the run says so (U1, U2)', async () => {
  const { sql, env } = harness
  await sql.unsafe('alter table event rename to event_away')
  const failed = await run('housekeeping').catch((error: unknown) => error)
  await sql.unsafe('alter table event_away rename to event')
  expect(failed).toMatchObject({
    cause: { message: expect.stringContaining('forgetEvents: relation "event"') },
  })
  const { currentDetails } = await detailsOf(`housekeeping-${runs}`)
  expect(currentDetails).toContain('**failed** forgetEvents')
  expect(await run('housekeeping')).toEqual({})

  async function detailsOf(workflowId: string): Promise<{ readonly currentDetails: string }> {
    const metadata = await env.client.workflow
      .getHandle(workflowId)
      .query<{ currentDetails: string }>('__temporal_workflow_metadata')
    return metadata
  }
})

describe('the schedules', () => {
  test('whoever starts, there is one of each; what an operator did to it stays (S1, S2)', async () => {
    const { schedule } = harness.env.client
    await Promise.all([keepSchedules(schedule), keepSchedules(schedule)])
    const handle = schedule.getHandle('rm-repair')
    // The second start's update is taken some time after it was sent.
    await eventually(async () => (await handle.describe()).info.lastUpdatedAt !== undefined)
    await handle.pause('looked into')
    await eventually(async () => (await handle.describe()).state.paused)
    await keepSchedules(schedule)
    expect((await handle.describe()).state).toMatchObject({ paused: true, note: 'looked into' })
    await handle.unpause('done')
    const ids: string[] = []
    await eventually(async () => {
      ids.length = 0
      for await (const { scheduleId } of schedule.list()) ids.push(scheduleId)
      return ids.length === 2
    })
    expect(ids.sort()).toEqual(UPKEEPS.map(scheduleId).sort())
    const { policies, spec } = await handle.describe()
    expect(policies).toMatchObject({ overlap: 'SKIP', catchupWindow: MINUTE_MS })
    expect(spec.intervals).toMatchObject([{ every: 30_000 }])
  })

  test('they start runs that can be read', async () => {
    const { schedule, workflow } = harness.env.client
    await schedule.getHandle('rm-repair').trigger()
    await eventually(async () => {
      for await (const { workflowId, status } of workflow.list({ query: `WorkflowType = 'repair'` })) {
        if (workflowId.startsWith('rm-repair-') && status.name === 'COMPLETED') return true
      }
      return false
    })
  })
})
