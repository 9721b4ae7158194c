// Callers of several processes, released at once, round after round: exactly the right number pass. Each pool stands
// for a process, with its own batches. `npm run test:races` makes 1,000 rounds of each.

import { afterAll, expect, inject, test } from 'vitest'
import { admit } from '../../activities/ledger/admit.ts'
import { checkLedger } from '../../activities/ledger/check.ts'
import { openDatabase } from '../../activities/ledger/database.ts'
import { getBudgets } from '../../activities/ledger/get-budgets.ts'
import { putTier } from '../../activities/ledger/put-tier.ts'
import { recordEffects } from '../../activities/ledger/record-effects.ts'
import { settleExecution } from '../../activities/ledger/settle-execution.ts'
import { beginAttempt } from '../../activities/ledger/begin-attempt.ts'
import { recordAttempt } from '../../activities/ledger/record-attempt.ts'
import type { Ask } from '../../domain/ask.ts'
import * as f from './fixture.ts'

const ROUNDS = Number(process.env['RACE_ROUNDS'] ?? 8)
const ROUND_MS = 2_000
const PROCESSES = 3
const CALLERS = 30
const DAY_MS = 86_400_000
const MIDNIGHT = Date.parse('2026-11-22T00:00:00.000Z')

const ledger = await f.openLedger()
const [{ name }] = await ledger.sql<[{ name: string }]>`select current_database() as name`
const url = new URL(inject('postgresUrl'))
url.pathname = `/${name}`
const processes = Array.from({ length: PROCESSES }, () => openDatabase(url.href, { max: 4 }))
afterAll(async () => {
  await Promise.all(processes.map((pool) => pool.end()))
  await ledger.close()
})

const poolOf = (nth: number) => processes[nth % PROCESSES] ?? ledger.sql

async function admitted(asks: readonly Ask[], atMs = (_nth: number) => f.NOON): Promise<number> {
  const all = await Promise.all(asks.map((ask, nth) => admit(poolOf(nth), ask, atMs(nth))))
  return all.filter(({ kind }) => kind === 'admitted').length
}

const callers = (make: (nth: number) => Ask, count = CALLERS) =>
  Array.from({ length: count }, (_, nth) => make(nth))

/** Who still waits after a round goes, and everything comes back: the next round meets an empty queue. */
async function leave(): Promise<void> {
  const waiting = await ledger.sql<{ id: string }[]>`select id from request where state = 'waiting'`
  await recordEffects(
    ledger.sql,
    waiting.map(({ id }) => f.effect('cancelled', id)),
  )
  const [held] = await ledger.sql`select count(*) as open from budget_period where held > 0`
  expect(held).toEqual({ open: 0 })
}

/** Each round has clients of its own, so that every one is a first use. */
function race(title: string, round: (id: string) => Promise<void>): void {
  test(
    title,
    async () => {
      for (let nth = 0; nth < ROUNDS; nth += 1) {
        await round(`${title.replaceAll(/[^a-z]/gi, '')}-${nth}`)
        await leave()
      }
      expect(await checkLedger(ledger.sql)).toEqual([])
    },
    30_000 + ROUNDS * ROUND_MS,
  )
}

race('one budget for 7, its first use', async (id) => {
  await f.client(ledger.sql, { id }, [f.hard(id, '0.07')])
  expect(await admitted(callers(() => f.reservation({ clientId: id })))).toBe(7)
})

race('a tree of scopes: the tightest ancestor decides', async (id) => {
  await f.client(ledger.sql, { id }, [f.hard(id, 120)])
  for (const session of ['a', 'b']) {
    await f.putBudgets(ledger.sql, `${id}/${session}`, [f.hard(`${id}/${session}`, '0.08')])
  }
  const scope = (nth: number) => ({
    session: nth % 2 === 0 ? 'a' : 'b',
    swarm: null,
    run: null,
    step: null,
  })
  expect(await admitted(callers((nth) => f.reservation({ clientId: id, scope: scope(nth) })))).toBe(12)
})

race('requests of a day, at most 5', async (id) => {
  await f.client(ledger.sql, { id, dailyRequests: 5 })
  expect(await admitted(callers(() => f.reservation({ clientId: id })))).toBe(5)
})

race('the first requests of a client under the budget of its tier', async (id) => {
  await putTier(ledger.sql, f.tier({ id, monthlyBudgetUsd: '0.03' }), f.ACTOR)
  await f.client(ledger.sql, { id, tier: id })
  expect(await admitted(callers(() => f.reservation({ clientId: id })))).toBe(3)
})

race('a reset in the middle: each day has its own', async (id) => {
  await f.client(ledger.sql, { id }, [f.hard(id, 40, { period: 'day' })])
  const at = (nth: number) => (nth < CALLERS / 2 ? MIDNIGHT - 1 : MIDNIGHT)
  expect(
    await admitted(
      callers(() => f.reservation({ clientId: id })),
      at,
    ),
  ).toBe(8)
  expect(await getBudgets(ledger.sql, id, MIDNIGHT - DAY_MS)).toMatchObject([{ held: 40 }])
  expect(await getBudgets(ledger.sql, id, MIDNIGHT)).toMatchObject([{ held: 40 }])
})

race('the same ids in every process: each is held once', async (id) => {
  await f.client(ledger.sql, { id }, [f.hard(id, 1_000)])
  await admitted(callers((nth) => f.reservation({ id: `${id}-${nth % 5}`, clientId: id })))
  expect(await getBudgets(ledger.sql, id, f.NOON)).toMatchObject([{ held: 50 }])
})

race('a settlement against a cancellation: one wins, paid once', async (id) => {
  await f.client(ledger.sql, { id }, [f.hard(id, 1_000)])
  await admit(ledger.sql, f.execution({ id, clientId: id }), f.NOON)
  await recordEffects(ledger.sql, [f.granted(id)])
  await beginAttempt(ledger.sql, id, f.NOON)
  const used = { kind: 'reported', consumed: { [f.TOKENS]: 4 }, costNanoUsd: null } as const
  await recordAttempt(ledger.sql, id, 1, used, f.NOON)
  const completed = { kind: 'completed', output: null, partial: false } as const
  const endings = [completed, { kind: 'cancelled' }, completed] as const
  const all = await Promise.all(
    endings.map((ending, nth) => settleExecution(poolOf(nth), id, ending, f.NOON)),
  )
  expect(new Set(all.map(({ state }) => state)).size).toBe(1)
  expect(all.filter(({ alreadyEnded }) => !alreadyEnded)).toHaveLength(1)
  expect(await getBudgets(ledger.sql, id, f.NOON)).toMatchObject([{ held: 0, used: 4 }])
})
