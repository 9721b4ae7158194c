// Cases from the issue trackers of others, where they concern money. Named by their origin: BF Bifrost,
// EA Envoy AI Gateway, GU Gubernator, LL LiteLLM, RF rate-limiter-flexible, SM SMG.
//
// Here: LL #36940, #27639, #35569, #30039, #36926, #40050, #34732, #38686, #33736, #37992; RF #280;
//   EA, three budgets; theam #251; lago #3618.
// test/limiter/field-failures.test.ts: SM, LL #18730 (flow), #39309, #24677, #29191, #20256 (slots), RF #280, #286 (calls),
//   bottleneck #194 (nothing stays taken for ever).
// test/ledger/races.test.ts, barrier.test.ts: LL #18730 (money), #34732, #40095, first use, resets, settlements.
// test/ledger/admit.test.ts: EA, a budget of 6 and one of 0. test/kill: kill -9 under load.
// test/limiter/starvation.property.test.ts, guaranteed.test.ts: LL #31830, #18128, #2218, and bottleneck's priority 9.
// Tokens (LL #37001, #14849, #18599): test/domain/tokens.test.ts, price.test.ts, test/ledger/prices.test.ts.
// LL #37052, #28033 (nobody raises an own limit): test/api/budgets.test.ts, U1. LL #19092: there is no pool by default.
// State per replica (BF #3547, LL #25374, GU #208, EA #680, #2394): barrier.test.ts, whose pools are replicas.
// Accepted and not enforced (BF #2873, #5673, wso2 #2932, langwatch #772): schemas are strict, test/api/invalid-config.test.ts.

import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { admit } from '../../activities/ledger/admit.ts'
import { beginAttempt } from '../../activities/ledger/begin-attempt.ts'
import { checkLedger } from '../../activities/ledger/check.ts'
import { getBudgets } from '../../activities/ledger/get-budgets.ts'
import { recordAttempt } from '../../activities/ledger/record-attempt.ts'
import { recordEffects } from '../../activities/ledger/record-effects.ts'
import { settleExecution } from '../../activities/ledger/settle-execution.ts'
import type { Use } from '../../domain/report.ts'
import * as f from './fixture.ts'

const DAY_MS = 86_400_000

let ledger: f.Ledger
beforeAll(async () => {
  ledger = await f.openLedger()
})
afterEach(async () => {
  expect(await checkLedger(ledger.sql)).toEqual([])
})
afterAll(async () => {
  await ledger.close()
})

const used = (tokens: number): Use => ({
  kind: 'reported',
  consumed: { [f.TOKENS]: tokens },
  costNanoUsd: null,
})
const done = { kind: 'completed', output: null, partial: false } as const

async function standing(clientId: string, atMs = f.NOON) {
  const [first] = await getBudgets(ledger.sql, clientId, atMs)
  return { used: first?.used, held: first?.held }
}

type Persistence = <T>(step: () => Promise<T>) => Promise<T>

const once: Persistence = (step) => step()

/** A whole life of one request; each step may be made more than once. */
async function live(
  id: string,
  clientId: string,
  tokens: number,
  atMs = f.NOON,
  persist = once,
): Promise<void> {
  const { sql } = ledger
  await persist(() => admit(sql, f.execution({ id, clientId }), atMs))
  await persist(() => recordEffects(sql, [f.granted(id, atMs)]))
  await persist(() => beginAttempt(sql, id, atMs))
  await persist(() => recordAttempt(sql, id, 1, used(tokens), atMs))
  await persist(() => settleExecution(sql, id, done, atMs))
}

test('[LL #36940] spend of a day stays its own, whatever ends or begins around midnight', async () => {
  await f.client(ledger.sql, { id: 'daily' }, [f.hard('daily', '10', { period: 'day' })])
  await live('d-1', 'daily', 3_000)
  // The next day is reached, and a late one of this day is settled after it.
  await admit(ledger.sql, f.execution({ id: 'd-2', clientId: 'daily' }), f.NOON)
  await live('d-3', 'daily', 1_000, f.NOON + DAY_MS)
  await settleExecution(ledger.sql, 'd-2', { kind: 'cancelled' }, f.NOON + DAY_MS)
  expect(await standing('daily')).toEqual({ used: f.usd('3'), held: 0 })
  expect(await standing('daily', f.NOON + DAY_MS)).toEqual({ used: f.usd('1'), held: 0 })
})

test('[RF #280, LL #39309] a refused request changes nothing but its own row', async () => {
  await f.client(ledger.sql, { id: 'poor' }, [f.hard('poor', '0.001')])
  const count = async () => {
    const [row] = await ledger.sql`
      select (select count(*) from hold) as holds, (select count(*) from entry) as entries,
             (select count(*) from event where state is not null) as events, (select count(*) from attempt) as attempts`
    return row
  }
  const before = await count()
  for (let n = 0; n < 5; n += 1) {
    expect(await admit(ledger.sql, f.execution({ id: 'poor-1', clientId: 'poor' }), f.NOON)).toMatchObject({
      kind: 'refused',
    })
  }
  expect(await count()).toEqual(before)
  expect(await standing('poor')).toEqual({ used: 0, held: 0 })
})

test('[LL #27639, #35569] whatever way a request ends, its hold is gone and its cost counted once', async () => {
  await f.client(ledger.sql, { id: 'ends' }, [f.hard('ends', '10')])
  const error = { code: 'x', detail: 'y' }
  const endings = [
    done,
    { kind: 'failed', error },
    { kind: 'cancelled' },
    { kind: 'expired', error },
  ] as const
  for (const [nth, ending] of endings.entries()) {
    const id = `e-${nth}`
    await admit(ledger.sql, f.execution({ id, clientId: 'ends' }), f.NOON)
    await recordEffects(ledger.sql, [f.granted(id)])
    await beginAttempt(ledger.sql, id, f.NOON)
    await recordAttempt(ledger.sql, id, 1, used(2), f.NOON)
    for (let repeat = 0; repeat < 3; repeat += 1) await settleExecution(ledger.sql, id, ending, f.NOON)
  }
  expect(await standing('ends')).toEqual({ used: f.usd('0.008'), held: 0 })
})

test('[theam #251] a cut call keeps its hold while the request goes on, and is booked at it', async () => {
  await f.client(ledger.sql, { id: 'cut' }, [f.hard('cut', '10')])
  await admit(ledger.sql, f.execution({ id: 'cut-1', clientId: 'cut' }), f.NOON)
  await recordEffects(ledger.sql, [f.granted('cut-1')])
  await beginAttempt(ledger.sql, 'cut-1', f.NOON)
  await recordAttempt(ledger.sql, 'cut-1', 1, { kind: 'unknown' }, f.NOON)
  expect(await standing('cut')).toEqual({ used: 0, held: f.usd('0.01') })
  await settleExecution(ledger.sql, 'cut-1', { kind: 'failed', error: { code: 'x', detail: 'y' } }, f.NOON)
  expect(await standing('cut')).toEqual({ used: f.usd('0.01'), held: 0 })
})

test('D4: connections that die at any moment lose nothing and count nothing twice', async () => {
  const { sql } = ledger
  await f.client(sql, { id: 'shaken' }, [f.hard('shaken', '1000'), f.hard('shaken', 1_000_000)])
  const LIVES = 40
  const TRIES_MAX = 100
  let running = LIVES
  let kills = 0
  const killer = async () => {
    while (running > 0) {
      // The killer is killed too, now and then.
      const killed = await Promise.resolve(
        sql`
        select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid() and state <> 'idle'`,
      ).catch(() => [])
      kills += killed.length
      await new Promise((resolve) => setTimeout(resolve, 15))
    }
  }
  const persistently: Persistence = async (step) => {
    for (let tries = 1; ; tries += 1) {
      try {
        return await step()
      } catch (error) {
        // The connection died: the same step again, under the same ids.
        if (tries === TRIES_MAX) throw error
      }
    }
  }
  const lives = Array.from({ length: LIVES }, async (_, nth) => {
    await live(`s-${nth}`, 'shaken', nth, f.NOON, persistently)
    running -= 1
  })
  await Promise.all([killer(), ...lives])
  expect(kills).toBeGreaterThan(0)
  const tokens = (LIVES * (LIVES - 1)) / 2
  expect(await getBudgets(sql, 'shaken', f.NOON)).toMatchObject([
    { used: tokens * f.usd('0.001'), held: 0 },
    { used: tokens, held: 0 },
  ])
})

test('[EA] three budgets of input, output and both stop at the first that is exhausted', async () => {
  const id = 'three'
  await f.client(ledger.sql, { id }, [
    { ...f.hard(id, 9), unit: f.TOKENS },
    { ...f.hard(id, 4), unit: f.CALLS },
    f.hard(id, '0.02'),
  ])
  const ask = () =>
    admit(ledger.sql, f.reservation({ clientId: id, resources: { [f.TOKENS]: 3, [f.CALLS]: 1 } }), f.NOON)
  const all = [await ask(), await ask(), await ask(), await ask()]
  expect(all.map(({ kind }) => kind)).toEqual(['admitted', 'admitted', 'admitted', 'refused'])
  expect(all[3]).toMatchObject({ refusal: { members: { budget: { unit: f.TOKENS } } } })
})

test('[LL #34732] 50 turns of one session at once overshoot by nothing', async () => {
  await f.client(ledger.sql, { id: 'turns' }, [])
  const scope = { session: 's', swarm: null, run: null, step: null }
  await f.putBudgets(ledger.sql, 'turns/s', [f.hard('turns/s', '0.05')])
  const asks = Array.from({ length: 50 }, () => f.execution({ clientId: 'turns', scope }))
  const all = await Promise.all(asks.map((ask) => admit(ledger.sql, ask, f.NOON)))
  expect(all.filter(({ kind }) => kind === 'admitted')).toHaveLength(5)
})

test('[LL #36926, #40050] what is enforced is what was spent: 100 calls at once use a budget to its last unit', async () => {
  await f.client(ledger.sql, { id: 'calm' }, [f.hard('calm', '1')])
  await Promise.all(Array.from({ length: 100 }, (_, nth) => live(`calm-${nth}`, 'calm', 10)))
  expect(await standing('calm')).toEqual({ used: f.usd('1'), held: 0 })
  expect(await admit(ledger.sql, f.execution({ clientId: 'calm' }), f.NOON)).toMatchObject({
    kind: 'refused',
  })
})

test('[LL #33736, #37992] a cut stream is billed at the worst case, an explicit zero at nothing', async () => {
  await f.client(ledger.sql, { id: 'cuts' }, [f.hard('cuts', '10')])
  await live('zero', 'cuts', 0)
  expect(await standing('cuts')).toEqual({ used: 0, held: 0 })
  await admit(ledger.sql, f.execution({ id: 'cut-2', clientId: 'cuts' }), f.NOON)
  await recordEffects(ledger.sql, [f.granted('cut-2')])
  await beginAttempt(ledger.sql, 'cut-2', f.NOON)
  await settleExecution(ledger.sql, 'cut-2', { kind: 'cancelled' }, f.NOON)
  expect(await standing('cuts')).toEqual({ used: f.usd('0.01'), held: 0 })
})

test('K1, K2 [LL #30039, lago #3618]: a settlement that failed half-way and one that comes twice are one', async () => {
  await f.client(ledger.sql, { id: 'half' }, [f.hard('half', '10')])
  await admit(ledger.sql, f.execution({ id: 'half-1', clientId: 'half' }), f.NOON)
  await recordEffects(ledger.sql, [f.granted('half-1')])
  await beginAttempt(ledger.sql, 'half-1', f.NOON)
  await recordAttempt(ledger.sql, 'half-1', 1, used(3), f.NOON)
  // A constraint that no row of it passes: the booking fails in its middle, and nothing of it stays.
  await ledger.sql.unsafe('alter table entry add constraint broken check (used = 0) not valid')
  await expect(settleExecution(ledger.sql, 'half-1', done, f.NOON)).rejects.toThrow('broken')
  expect(await standing('half')).toEqual({ used: 0, held: f.usd('0.01') })
  await ledger.sql.unsafe('alter table entry drop constraint broken')
  await Promise.all([1, 2, 3].map(() => settleExecution(ledger.sql, 'half-1', done, f.NOON)))
  expect(await standing('half')).toEqual({ used: f.usd('0.003'), held: 0 })
})

test('[LL #38686] a budget that is raised admits again at once, and what was used stays used', async () => {
  await f.client(ledger.sql, { id: 'raised' }, [f.hard('raised', '0.01', { period: 'day' })])
  await live('raised-1', 'raised', 10)
  const ask = () => admit(ledger.sql, f.execution({ clientId: 'raised' }), f.NOON)
  expect(await ask()).toMatchObject({ kind: 'refused' })
  await f.putBudgets(ledger.sql, 'raised', [f.hard('raised', '0.02', { period: 'day' })])
  expect(await ask()).toMatchObject({ kind: 'admitted' })
  expect(await standing('raised')).toEqual({ used: f.usd('0.01'), held: f.usd('0.01') })
})
