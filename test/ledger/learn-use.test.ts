// What is learned from calls, and that admission goes by it.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { admit } from '../../activities/ledger/admit.ts'
import { beginAttempt } from '../../activities/ledger/begin-attempt.ts'
import { learnUse, listLearned } from '../../activities/ledger/learn-use.ts'
import { putResource } from '../../activities/ledger/put-resource.ts'
import { putTemplate } from '../../activities/ledger/put-template.ts'
import { putWorker } from '../../activities/ledger/put-worker.ts'
import { recordAttempt } from '../../activities/ledger/record-attempt.ts'
import { recordEffects } from '../../activities/ledger/record-effects.ts'
import { settleExecution } from '../../activities/ledger/settle-execution.ts'
import type { ExecutionAsk } from '../../domain/ask.ts'
import * as f from './fixture.ts'

const IN = 'm/input-tokens'
const OUT = 'm/output-tokens'

let ledger: f.Ledger
beforeAll(async () => {
  ledger = await f.openLedger()
  for (const id of [IN, OUT]) {
    await putResource(ledger.sql, f.resource({ id }), f.ACTOR)
    await f.price(ledger.sql, id, '0.000001')
  }
  const typical = { [IN]: 800, [OUT]: 400 }
  await putWorker(ledger.sql, f.worker({ name: 'writer', typical }), f.ACTOR)
  const template = { name: 'write', worker: 'writer', action: null, models: [], resources: null }
  await putTemplate(ledger.sql, { ...template, expectedMs: null, deferrable: false }, f.ACTOR)
})
afterAll(() => ledger.close())

async function call(
  nth: number,
  consumed: Record<string, number>,
  given: Partial<ExecutionAsk> = {},
): Promise<void> {
  const ask = f.execution({ template: 'write', worker: null, inputTokens: 100, ...given })
  const atMs = f.NOON + nth
  expect(await admit(ledger.sql, ask, atMs)).toMatchObject({ kind: 'admitted' })
  await recordEffects(ledger.sql, [f.granted(ask.id, atMs)])
  await beginAttempt(ledger.sql, ask.id, atMs)
  await recordAttempt(ledger.sql, ask.id, 1, { kind: 'reported', consumed, costNanoUsd: null }, atMs)
  await settleExecution(ledger.sql, ask.id, { kind: 'completed', output: null, partial: false }, atMs)
}

async function demandOf(given: Partial<ExecutionAsk>) {
  const ask = f.execution({ template: 'write', worker: null, ...given })
  const admission = await admit(ledger.sql, ask, f.NOON)
  if (admission.kind !== 'admitted') throw new Error(JSON.stringify(admission))
  return Object.fromEntries(admission.plan.demand)
}

test('Q1, Q2: nine of ten calls are the estimate of the next one, and its error is known', async () => {
  expect(await learnUse(ledger.sql)).toBe(0)
  expect(await demandOf({ inputTokens: 100 })).toEqual({ [IN]: 800, [OUT]: 400 })

  // Outputs 10, 20 … 200; the input is the counted one and 30 more.
  for (let nth = 1; nth <= 20; nth += 1) await call(nth, { [IN]: 130, [OUT]: nth * 10 })
  expect(await learnUse(ledger.sql)).toBe(1)
  expect(await listLearned(ledger.sql)).toEqual([
    {
      subject: 'template:write',
      resourceId: IN,
      samples: 20,
      p50: 130,
      p90: 130,
      overheadP90: 30,
      errorPercentP50: 515,
      errorPercentP90: 515,
    },
    {
      subject: 'template:write',
      resourceId: OUT,
      samples: 20,
      p50: 100,
      p90: 180,
      overheadP90: null,
      errorPercentP50: 263,
      errorPercentP90: 1_233,
    },
  ])
  expect(await demandOf({ inputTokens: 100 })).toEqual({ [IN]: 130, [OUT]: 180 })
  expect(await demandOf({ inputTokens: 1_000, input: { max_tokens: 20 } })).toEqual({
    [IN]: 1_030,
    [OUT]: 20,
  })
  expect(await demandOf({ template: null, worker: 'writer', inputTokens: 1 })).toEqual({
    [IN]: 800,
    [OUT]: 400,
  })

  // Nothing has ended since: nothing is computed again.
  expect(await learnUse(ledger.sql)).toBe(0)
  await call(50, { [IN]: 130, [OUT]: 1 }, { resources: { [OUT]: 5_000 } })
  expect(await learnUse(ledger.sql)).toBe(1)
  // What somebody else reserved is no error of ours.
  expect((await listLearned(ledger.sql)).at(-1)).toMatchObject({ samples: 21, errorPercentP90: 1_233 })
})

test('Q2: only the last requests count', async () => {
  for (let nth = 100; nth < 300; nth += 1) await call(nth, { [OUT]: 7 })
  await learnUse(ledger.sql)
  const learned = (await listLearned(ledger.sql)).filter(({ resourceId }) => resourceId === OUT)
  expect(learned).toMatchObject([{ samples: 200, p50: 7, p90: 7 }])
})
