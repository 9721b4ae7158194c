import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { admit } from '../../activities/ledger/admit.ts'
import { beginAttempt } from '../../activities/ledger/begin-attempt.ts'
import { checkLedger } from '../../activities/ledger/check.ts'
import { currentUsage } from '../../activities/ledger/read-usage.ts'
import { costLines } from '../../activities/ledger/read-cost.ts'
import { getBudgets } from '../../activities/ledger/get-budgets.ts'
import { readEvents } from '../../activities/ledger/read-events.ts'
import { readRequest } from '../../activities/ledger/read-request.ts'
import { recordAttempt } from '../../activities/ledger/record-attempt.ts'
import { recordEffects } from '../../activities/ledger/record-effects.ts'
import { requeue } from '../../activities/ledger/requeue.ts'
import { settleExecution } from '../../activities/ledger/settle-execution.ts'
import type { ExecutionAsk } from '../../domain/ask.ts'
import type { NanoUsd } from '../../domain/money.ts'
import type { Use } from '../../domain/report.ts'
import * as f from './fixture.ts'

let ledger: f.Ledger
beforeAll(async () => {
  ledger = await f.openLedger()
  await f.client(ledger.sql, { id: 'payer' }, [f.hard('payer', '100'), f.hard('payer', 100_000)])
})
afterEach(async () => {
  expect(await checkLedger(ledger.sql)).toEqual([])
})
afterAll(async () => {
  await ledger.close()
})

const reported = (tokens: number, costNanoUsd: NanoUsd | null = null): Use => ({
  kind: 'reported',
  consumed: { [f.TOKENS]: tokens },
  costNanoUsd,
})

async function executing(given: Partial<ExecutionAsk> = {}) {
  const ask = f.execution({ clientId: 'payer', ...given })
  const admission = await admit(ledger.sql, ask, f.NOON)
  if (admission.kind !== 'admitted') throw new Error(JSON.stringify(admission))
  await recordEffects(ledger.sql, [f.granted(ask.id)])
  await beginAttempt(ledger.sql, ask.id, f.NOON)
  return { id: ask.id, plan: admission.plan }
}

async function moneyOf(clientId: string) {
  const [usd] = await getBudgets(ledger.sql, clientId, f.NOON)
  return { used: usd?.used, held: usd?.held }
}

const done = { kind: 'completed', output: { ok: true }, partial: false } as const

describe('the life of an execution', () => {
  test('R1: from admission to its end, with every state in the timeline', async () => {
    const { id } = await executing()
    await recordAttempt(ledger.sql, id, 1, reported(7), f.NOON + 10)
    const settlement = await settleExecution(ledger.sql, id, done, f.NOON + 20)
    expect(settlement).toEqual({
      state: 'completed',
      actual: [[f.TOKENS, 7]],
      costNanoUsd: f.usd('0.007'),
      generation: 1,
      wasGranted: true,
      alreadyEnded: false,
    })
    const record = await readRequest(ledger.sql, id, f.NOON)
    expect(record).toMatchObject({
      state: 'completed',
      output: { ok: true },
      actualNanoUsd: f.usd('0.007'),
      attempts: 1,
    })
    expect(record?.timeline.map(({ state }) => state)).toEqual([
      'admitted',
      'waiting',
      'granted',
      'executing',
      'completed',
    ])
    const events = await readEvents(ledger.sql, id, 0, 10)
    expect(await readEvents(ledger.sql, id, events[2]?.sequence ?? 0, 10)).toEqual(events.slice(3))
    expect(await costLines(ledger.sql, id)).toMatchObject([
      {
        attempt: 1,
        kind: 'use',
        item: f.TOKENS,
        units: 7,
        costNanoUsd: f.usd('0.007'),
        perUnitUsd: '0.001',
        source: 'test',
      },
    ])
  })

  test('E1, R2: the first ending wins, twice is once, and a final state stays', async () => {
    const { id } = await executing()
    await recordAttempt(ledger.sql, id, 1, reported(7), f.NOON)
    await settleExecution(ledger.sql, id, done, f.NOON)
    const before = await moneyOf('payer')
    expect(await settleExecution(ledger.sql, id, { kind: 'cancelled' }, f.NOON)).toMatchObject({
      state: 'completed',
      costNanoUsd: f.usd('0.007'),
      alreadyEnded: true,
    })
    expect(await moneyOf('payer')).toEqual(before)
  })

  test('E3: cancelled before any attempt, all comes back', async () => {
    const before = await moneyOf('payer')
    const ask = f.execution({ clientId: 'payer' })
    await admit(ledger.sql, ask, f.NOON)
    expect((await moneyOf('payer')).held).toBe(f.usd('0.01') + (before.held ?? 0))
    const settlement = await settleExecution(ledger.sql, ask.id, { kind: 'cancelled' }, f.NOON)
    expect(settlement).toMatchObject({ actual: [], costNanoUsd: 0, wasGranted: false })
    expect(await moneyOf('payer')).toEqual(before)
  })

  test('explicit zero is zero, no report after an answer is nothing, each bill is booked', async () => {
    for (const [use, cost] of [
      [reported(0), 0],
      [{ kind: 'none' }, 0],
      [reported(3, f.usd('0.5')), f.usd('0.5')],
      [reported(25), f.usd('0.025')],
    ] as const) {
      const { id } = await executing()
      await recordAttempt(ledger.sql, id, 1, use, f.NOON)
      const failed = { kind: 'failed', error: { code: 'worker-failed', detail: 'no' } } as const
      expect(await settleExecution(ledger.sql, id, failed, f.NOON)).toMatchObject({
        state: 'failed',
        costNanoUsd: cost,
      })
    }
  })

  test('S2, R2: no answer is the worst case, assumed, and a late report corrects it once', async () => {
    const before = await moneyOf('payer')
    const { id } = await executing()
    const settlement = await settleExecution(ledger.sql, id, { kind: 'cancelled' }, f.NOON)
    expect(settlement).toMatchObject({ actual: [[f.TOKENS, 10]], costNanoUsd: f.usd('0.01') })
    expect(await readRequest(ledger.sql, id, f.NOON)).toMatchObject({ isAssumed: true })
    expect(await recordAttempt(ledger.sql, id, 1, reported(4), f.NOON + 5)).toEqual({ kind: 'corrected' })
    expect(await recordAttempt(ledger.sql, id, 1, reported(9), f.NOON + 6)).toEqual({ kind: 'ignored' })
    expect(await readRequest(ledger.sql, id, f.NOON)).toMatchObject({
      isAssumed: false,
      state: 'cancelled',
      actualNanoUsd: f.usd('0.004'),
      actual: [[f.TOKENS, 4]],
    })
    expect((await moneyOf('payer')).used).toBe((before.used ?? 0) + f.usd('0.004'))
  })

  test('E2, R1: attempts that failed are billed with the one that succeeded, each as it was told first', async () => {
    const { id } = await executing()
    await recordAttempt(ledger.sql, id, 1, reported(2), f.NOON)
    expect(await recordAttempt(ledger.sql, id, 1, reported(3), f.NOON)).toEqual({ kind: 'ignored' })
    expect(await beginAttempt(ledger.sql, id, f.NOON)).toMatchObject({ kind: 'begun' })
    await recordAttempt(ledger.sql, id, 2, reported(5), f.NOON)
    expect(await settleExecution(ledger.sql, id, done, f.NOON)).toMatchObject({ costNanoUsd: f.usd('0.007') })
  })

  test('T1, Q1, D1: an attempt without a word is made again under its own number; given back, its worst case is booked', async () => {
    const { id, plan } = await executing()
    expect(await beginAttempt(ledger.sql, id, f.NOON)).toMatchObject({ kind: 'begun', attempt: 1 })
    const again = await requeue(ledger.sql, { plan, notBeforeMs: null }, f.NOON + 1_000)
    expect(again).toMatchObject({
      plan: { generation: 2, waitUntilMs: f.NOON + 1_000 + 3_600_000 },
      settled: [[f.TOKENS, 10]],
    })
    expect(await requeue(ledger.sql, { plan, notBeforeMs: null }, f.NOON + 9_000)).toEqual(again)
    // Decisions on the generation that is over change nothing.
    await recordEffects(ledger.sql, [f.granted(id, f.NOON, 1)])
    expect(await readRequest(ledger.sql, id, f.NOON)).toMatchObject({ state: 'waiting', generation: 2 })
    await recordEffects(ledger.sql, [f.granted(id, f.NOON + 2_000, 2)])
    expect(await beginAttempt(ledger.sql, id, f.NOON + 2_000)).toMatchObject({ kind: 'begun' })
    await recordAttempt(ledger.sql, id, 2, reported(1), f.NOON + 3_000)
    expect(await settleExecution(ledger.sql, id, done, f.NOON + 3_000)).toMatchObject({
      actual: [[f.TOKENS, 1]],
      costNanoUsd: f.usd('0.011'),
      generation: 2,
    })
  })

  test('Q2: it may queue again as long as at first, but not beyond its deadline', async () => {
    const { plan } = await executing({ deadlineMs: f.NOON + 5_000, maxWaitMs: 3_000 })
    expect(await requeue(ledger.sql, { plan, notBeforeMs: null }, f.NOON + 1_000)).toMatchObject({
      plan: { waitUntilMs: f.NOON + 4_000 },
    })
    const { plan: later } = await executing({ deadlineMs: f.NOON + 5_000, maxWaitMs: 3_000 })
    expect(await requeue(ledger.sql, { plan: later, notBeforeMs: null }, f.NOON + 4_000)).toMatchObject({
      plan: { waitUntilMs: f.NOON + 5_000 },
    })
  })

  test('S3, B3: more than held is recorded as it is, and the budget goes negative', async () => {
    await f.client(ledger.sql, { id: 'small' }, [f.hard('small', '0.01')])
    const { id } = await executing({ clientId: 'small' })
    await recordAttempt(ledger.sql, id, 1, reported(30), f.NOON)
    await settleExecution(ledger.sql, id, done, f.NOON)
    expect(await getBudgets(ledger.sql, 'small', f.NOON)).toMatchObject([
      { used: f.usd('0.03'), remaining: -f.usd('0.02') },
    ])
    expect(await admit(ledger.sql, f.execution({ clientId: 'small' }), f.NOON)).toMatchObject({
      kind: 'refused',
    })
  })

  test('B5: what is held before midnight is settled in the month of its hold', async () => {
    const lastMs = Date.parse('2026-11-30T23:59:59.999Z')
    await f.client(ledger.sql, { id: 'spans' }, [f.hard('spans', '1')])
    const ask = f.execution({ clientId: 'spans' })
    await admit(ledger.sql, ask, lastMs)
    await recordEffects(ledger.sql, [f.granted(ask.id, lastMs)])
    await beginAttempt(ledger.sql, ask.id, lastMs + 1)
    await recordAttempt(ledger.sql, ask.id, 1, reported(5), lastMs + 2)
    await settleExecution(ledger.sql, ask.id, done, lastMs + 2)
    expect(await getBudgets(ledger.sql, 'spans', lastMs)).toMatchObject([{ used: f.usd('0.005') }])
    expect(await getBudgets(ledger.sql, 'spans', lastMs + 2)).toMatchObject([{ used: 0 }])
  })

  test('U1: usage of today and this month is told with budgets, slots and requests', async () => {
    await f.client(ledger.sql, { id: 'user', maxConcurrent: 4, dailyRequests: 9 }, [f.hard('user', '1')])
    const { id } = await executing({ clientId: 'user' })
    expect(await currentUsage(ledger.sql, 'user', f.NOON)).toMatchObject({
      budgets: [
        { used: 0, held: f.usd('0.01'), remaining: f.usd('0.99'), resetsAtMs: Date.parse('2026-12-01') },
      ],
      concurrent: { used: 1, limit: 4 },
      requests: { today: 1, month: 1, dailyLimit: 9 },
      resources: {},
    })
    await recordAttempt(ledger.sql, id, 1, reported(3), f.NOON)
    await settleExecution(ledger.sql, id, done, f.NOON)
    expect(await currentUsage(ledger.sql, 'user', f.NOON + 86_400_000)).toMatchObject({
      budgets: [{ used: f.usd('0.003'), held: 0 }],
      concurrent: { used: 0 },
      requests: { today: 0, month: 1 },
      resources: { [f.TOKENS]: { today: 0, month: 3 } },
    })
    expect(await currentUsage(ledger.sql, 'nobody', f.NOON)).toBeNull()
  })
})
