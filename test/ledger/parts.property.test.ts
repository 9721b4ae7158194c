// What is done in one run and in part runs leaves the same books; and whatever is wrong in them afterwards is found.

import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { admit } from '../../activities/ledger/admit.ts'
import { checkLedger } from '../../activities/ledger/check.ts'
import type { Transaction } from '../../activities/ledger/database.ts'
import { getBudgets } from '../../activities/ledger/get-budgets.ts'
import { readOutbox } from '../../activities/ledger/read-outbox.ts'
import { recordEffects } from '../../activities/ledger/record-effects.ts'
import { release } from '../../activities/ledger/release.ts'
import { rollUpUsage } from '../../activities/ledger/roll-up-usage.ts'
import type { Budget } from '../../domain/budget.ts'
import * as f from './fixture.ts'

const RUNS = 8
const WINDOW_MS = 6_000

const ledger = await f.openLedger()
const { sql } = ledger
afterAll(() => ledger.close())

const soft = { enforcement: 'soft', graceMs: 3_000, overageMultiplier: '1.5', overageMax: 200 } as const
const SCOPES = ['', '/a', '/a/x'] as const

/** A soft window and a soft day above, a hard window and money below. */
async function furnish(client: string): Promise<void> {
  const rolling = { period: 'rolling', windowMs: WINDOW_MS } as const
  await f.client(sql, { id: client }, [
    { ...f.hard(client, 60), ...rolling, ...soft } as Budget,
    { ...f.hard(client, 90, { period: 'day' }), ...soft } as Budget,
  ])
  await f.putBudgets(sql, `${client}/a`, [f.hard(`${client}/a`, 300, rolling), f.hard(`${client}/a`, '9')])
}

type Held = { readonly id: string; readonly units: number }

async function reserve(client: string, below: string, units: number, atMs: number): Promise<string | null> {
  const [, session = null, swarm = null] = below.split('/')
  const scope = { session, swarm, run: null, step: null }
  const ask = f.reservation({ clientId: client, scope, resources: { [f.TOKENS]: units } })
  if ((await admit(sql, ask, atMs)).kind !== 'admitted') return null
  await recordEffects(sql, [f.granted(ask.id, atMs)])
  return ask.id
}

function settle({ id: reservationId, units }: Held, atMs: number) {
  const given = { reservationId, actual: { [f.TOKENS]: units }, costNanoUsd: null, contentHash: 'h' } as const
  return release(sql, { ...given, outcome: 'success' }, atMs)
}

async function booksOf(client: string, nowMs: number) {
  const standings = await Promise.all(['', '/a'].map((below) => getBudgets(sql, client + below, nowMs)))
  const events = await readOutbox(sql, { after: 0, limit: 10_000, clientId: client })
  const told = events.filter(({ name }) => name.startsWith('budget.'))
  return {
    standings: standings.flat().map(({ used, held, remaining }) => ({ used, held, remaining })),
    // Events of one transaction have no order among budgets, and tell what is used when it commits.
    told: told.map(({ detail }) => JSON.stringify({ ...(detail as object), scope: '', used: 0 })).sort(),
  }
}

const lives = fc.array(
  fc.record({
    below: fc.constantFrom(...SCOPES),
    units: fc.integer({ min: 1, max: 30 }),
    used: fc.nat(35),
    passesMs: fc.constantFrom(0, 100, 1_500, 4_000),
  }),
  { minLength: 4, maxLength: 14 },
)

let clients = 0
const named = () => `part-${(clients += 1)}`

test('B4, B7, T3, S1: settled together, or one after the other, the books are the same', async () => {
  await fc.assert(
    fc.asyncProperty(lives, async (all) => {
      const [together, apart] = [named(), named()]
      const books = []
      for (const client of [together, apart]) {
        await furnish(client)
        const open: Held[] = []
        let nowMs = f.NOON
        for (const { below, units, used, passesMs } of all) {
          nowMs += passesMs
          const id = await reserve(client, below, units, nowMs)
          if (id !== null) open.push({ id, units: used })
        }
        const settled = client === together ? open.map((one) => settle(one, nowMs)) : []
        await Promise.all(settled)
        if (client === apart) for (const one of open) await settle(one, nowMs)
        books.push(await booksOf(client, nowMs))
      }
      expect(books[0]).toEqual(books[1])
    }),
    { numRuns: RUNS },
  )
  expect(await checkLedger(sql)).toEqual([])
})

/** What can be wrong with a row of a table; `nth` names the row among those in question. */
const wrongs: Readonly<
  Record<string, (tx: Transaction, nth: number) => PromiseLike<{ readonly count: number }>>
> = {
  'an entry is deleted': (tx, nth) => tx`
    delete from entry where ctid = (
      select ctid from entry where held <> 0 or used <> 0
      order by request_id, budget_id, kind offset ${nth} % greatest(1, (select count(*) from entry where held <> 0 or used <> 0)) limit 1)`,
  'an entry is doubled': (tx, nth) => tx`
    insert into entry select request_id, admission, attempt + 7, 'correction', budget_id, 0, used, 0, at
    from entry where kind = 'use' order by request_id, budget_id offset ${nth} % 9 limit 1`,
  'an entry is changed': (tx, nth) => tx`
    update entry set used = used + 1 where ctid = (
      select ctid from entry where kind = 'use' order by request_id, budget_id offset ${nth} % 9 limit 1)`,
  'a slice is deleted': (tx, nth) => tx`
    delete from budget_slice where ctid = (
      select ctid from budget_slice where used <> 0 order by budget_id, starts_at offset ${nth} % 5 limit 1)`,
  'a slice is changed': (tx, nth) => tx`
    update budget_slice set used = used - 1 where ctid = (
      select ctid from budget_slice order by budget_id, starts_at offset ${nth} % 5 limit 1)`,
  'a slice is moved': (tx, nth) => tx`
    update budget_slice set starts_at = starts_at - interval '1 hour' where ctid = (
      select ctid from budget_slice where used <> 0 order by budget_id, starts_at offset ${nth} % 5 limit 1)`,
  'a slice is doubled': (tx, nth) => tx`
    insert into budget_slice select budget_id, starts_at + interval '1 hour', used
    from budget_slice where used <> 0 order by budget_id, starts_at offset ${nth} % 5 limit 1`,
  'a surcharge is booked on a window': (tx, nth) => tx`
    update budget_period set surcharge = surcharge + 1 where ctid = (
      select p.ctid from budget_period p join budget b on b.id = p.budget_id and b.window_ms > 0
      order by budget_id offset ${nth} % 2 limit 1)`,
  'a balance is changed': (tx, nth) => tx`
    update budget_period set held = held + 1 where ctid = (
      select ctid from budget_period order by budget_id, starts_at offset ${nth} % 4 limit 1)`,
  'a cost line is deleted': (tx, nth) => tx`
    delete from cost_line where ctid = (
      select ctid from cost_line where cost > 0 order by request_id, attempt offset ${nth} % 9 limit 1)`,
  'a hold is closed': (tx) => tx`
    update hold set is_open = false where ctid = (select ctid from hold where is_open and amount > 0 limit 1)`,
}

class Undone extends Error {}

test('X1 to X10: whatever is deleted, doubled or changed in random books is found', async () => {
  const wrong = fc.record({ what: fc.constantFrom(...Object.keys(wrongs)), nth: fc.nat(100) })
  const done = new Set<string>()
  await fc.assert(
    fc.asyncProperty(lives, fc.array(wrong, { minLength: 6, maxLength: 10 }), async (all, corruptions) => {
      const client = named()
      await furnish(client)
      let nowMs = f.NOON
      for (const [nth, { below, units, used, passesMs }] of all.entries()) {
        nowMs += passesMs
        const id = await reserve(client, below, units, nowMs)
        if (id !== null && nth % 3 < 2) await settle({ id, units: used }, nowMs)
      }
      await rollUpUsage(sql, 20)
      expect(await checkLedger(sql)).toEqual([])
      for (const { what, nth } of corruptions) {
        const corrupted = sql.begin(async (tx) => {
          const result = await wrongs[what]?.(tx, nth)
          if (result === undefined || result.count === 0) throw new Undone()
          done.add(what)
          expect(await checkLedger(tx), what).not.toEqual([])
          throw new Undone()
        })
        await corrupted.catch((error: unknown) => {
          if (!(error instanceof Undone)) throw error
        })
      }
    }),
    { numRuns: RUNS },
  )
  expect(done.size).toBeGreaterThan(8)
})
