// Cases from the issue trackers of others, where they concern money. Named by their origin.

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

test('connections that die at any moment lose nothing and count nothing twice', async () => {
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
