import { afterAll, beforeEach, expect, test } from 'vitest'
import { addToBudget } from '../../activities/ledger/add-to-budget.ts'
import { admit } from '../../activities/ledger/admit.ts'
import { beginAttempt } from '../../activities/ledger/begin-attempt.ts'
import { checkLedger } from '../../activities/ledger/check.ts'
import { recordAttempt } from '../../activities/ledger/record-attempt.ts'
import { recordEffects } from '../../activities/ledger/record-effects.ts'
import { rollUpUsage } from '../../activities/ledger/roll-up-usage.ts'
import { settleExecution } from '../../activities/ledger/settle-execution.ts'
import * as f from './fixture.ts'

const ledger = await f.openLedger()
const { sql } = ledger
await f.client(sql, { id: 'payer' }, [f.hard('payer', '100'), f.hard('payer', 100_000)])
afterAll(async () => {
  await ledger.close()
})

beforeEach(async () => {
  await sql`truncate request, attempt, cost_line, event, hold, entry, carve_out, budget_slice, budget_period, usage_inbox, usage_line,
            usage_hour, usage_scope_hour, usage_day`
  const [settled, open] = [
    f.execution({ id: 'settled', clientId: 'payer' }),
    f.execution({ id: 'open', clientId: 'payer' }),
  ]
  await admit(sql, settled, f.NOON)
  await admit(sql, open, f.NOON)
  await recordEffects(sql, [f.granted('settled')])
  await beginAttempt(sql, 'settled', f.NOON)
  await recordAttempt(
    sql,
    'settled',
    1,
    { kind: 'reported', consumed: { [f.TOKENS]: 7 }, costNanoUsd: null },
    f.NOON,
  )
  await settleExecution(sql, 'settled', { kind: 'completed', output: null, partial: false }, f.NOON)
  expect(await checkLedger(sql)).toEqual([])
})

const USD_ENTRY = `budget_id = (select id from budget where scope = 'payer' and unit = 'USD')`
const corruptions: Record<string, { readonly statement: string; readonly want: readonly string[] }> = {
  'an entry of use is deleted': {
    statement: `delete from entry where kind = 'use' and ${USD_ENTRY}`,
    want: ['X1', 'X4'],
  },
  'an entry of units is changed': {
    statement: `update entry set used = used + 1 where kind = 'use' and not ${USD_ENTRY}`,
    want: ['X1', 'X5'],
  },
  'an entry is doubled under another attempt': {
    statement: `insert into entry select request_id, admission, 2, kind, budget_id, held, used, surcharge, at
                from entry where kind = 'use' and ${USD_ENTRY}`,
    want: ['X1', 'X4'],
  },
  'a release is lost': {
    statement: `delete from entry where kind = 'release' and ${USD_ENTRY}`,
    want: ['X1', 'X2'],
  },
  'the entry of an open hold is changed': {
    statement: `update entry set held = held - 1 where kind = 'hold' and request_id = 'open' and ${USD_ENTRY}`,
    want: ['X1', 'X2', 'X2'],
  },
  'a cost line is changed': { statement: `update cost_line set cost = cost + 1`, want: ['X3', 'X4', 'X8'] },
  'a cost line is deleted': { statement: `delete from cost_line`, want: ['X3', 'X4', 'X8'] },
  'a balance drifts': {
    statement: `update budget_period set used = used + 1 where ${USD_ENTRY}`,
    want: ['X1'],
  },
  'a hold of an ended request is open': {
    statement: `update hold set is_open = true where request_id = 'settled' and ${USD_ENTRY}`,
    want: ['X2', 'X6'],
  },
  'X7: a line has free units that no allowance gave': {
    statement: `update cost_line set free_units = 1`,
    want: ['X7'],
  },
  'a request has another cost': {
    statement: `update request set actual_cost = 0 where id = 'settled'`,
    want: ['X3'],
  },
  'a line of usage is lost': {
    statement: `delete from usage_inbox where kind = 'use'`,
    want: ['X8'],
  },
  'a request counts twice in usage': {
    statement: `insert into usage_inbox (at, client_id, scope_path, request_id, attempt, kind, requests, units, cost)
                select at, client_id, scope_path, request_id, 0, 'admission', 1, 0, 0
                from usage_inbox where request_id = 'open'`,
    want: ['X8'],
  },
  'a line that was rolled up is changed': {
    statement: `update usage_line set units = units + 1 where kind = 'use'`,
    want: ['X8', 'X9'],
  },
  'a sum of an hour drifts': {
    statement: `update usage_hour set cost = cost + 1 where resource <> ''`,
    want: ['X9'],
  },
  'a sum of a day drifts': {
    statement: `update usage_day set requests = requests + 1 where resource = ''`,
    want: ['X9'],
  },
  'a sum of a scope is lost': {
    statement: `delete from usage_scope_hour where resource = ''`,
    want: ['X9'],
  },
}

const scope = { session: 'carved', swarm: null, run: null, step: null }

test('X1, X10, X11: what is kept for a carve-out, a slice and a credit drift: found', async () => {
  const carveOut = { unit: f.TOKENS, amount: 50, fromScope: 'payer', thresholds: null }
  await f.putBudgets(sql, 'payer/carved', [f.hard('payer/carved', 60, ROLLING)], [carveOut])
  const credit = { kind: 'credit', id: 'gift', scope: 'payer', unit: f.TOKENS, period: 'month' } as const
  const by = { actor: f.ACTOR, atMs: f.NOON }
  await addToBudget(
    sql,
    { ...credit, windowMs: 0, amount: 10, untilMs: null, priority: 0, contentHash: 'h' },
    by,
  )
  await admit(sql, f.execution({ id: 'carved', clientId: 'payer', scope }), f.NOON)
  await admit(sql, f.execution({ id: 'gifted', clientId: 'payer' }), f.NOON)
  for (const id of ['carved', 'gifted']) {
    await recordEffects(sql, [f.granted(id)])
    await beginAttempt(sql, id, f.NOON)
    const use = { kind: 'reported', consumed: { [f.TOKENS]: 7 }, costNanoUsd: null } as const
    await recordAttempt(sql, id, 1, use, f.NOON)
    await settleExecution(sql, id, { kind: 'completed', output: null, partial: false }, f.NOON)
  }
  const rules = async () => [...new Set((await checkLedger(sql)).map(({ rule }) => rule))]
  expect(await rules()).toEqual([])
  await sql.unsafe(`update budget_period set carved = carved + 1 where carved is not null`)
  expect(await rules()).toEqual(['X1'])
  await sql.unsafe(`update budget_slice set used = used + 1`)
  expect(await rules()).toEqual(['X1', 'X10'])
  await sql.unsafe(`update budget set amount = 0 where credit_id is not null`)
  await sql.unsafe(
    `update budget_period p set held = 1 from budget b where b.id = p.budget_id and credit_id = 'gift'`,
  )
  expect(await rules()).toEqual(['X1', 'X10', 'X11'])
})

const ROLLING = { period: 'rolling', windowMs: 60_000 } as const

test.for(Object.entries(corruptions))('%s: found', async ([, { statement, want }]) => {
  if (/usage_(line|hour|scope_hour|day)/.test(statement)) await rollUpUsage(sql)
  await sql.unsafe(statement)
  const rules = (await checkLedger(sql)).map(({ rule }) => rule)
  expect(new Set(rules)).toEqual(new Set(want))
})

test('K2: wrong rows are impossible, and none is written twice', async () => {
  const wrong = [
    `update budget_period set held = -1`,
    `insert into entry select request_id, admission, attempt, kind, budget_id, held, used, surcharge, at from entry limit 1`,
    `update entry set used = 1 where kind = 'hold'`,
    `update request set state = 'completed' where id = 'open'`,
    `update request set ended_at = null where id = 'settled'`,
    `insert into hold values ('nobody', 1, 1, now(), 1, true)`,
    `insert into hold values ('open', 1, 999, now(), 1, true)`,
    `update cost_line set cost = -1`,
    `update entry set held = 9007199254740993 where kind = 'hold'`,
    `delete from request where id = 'open'`,
  ]
  for (const statement of wrong) await expect(sql.unsafe(statement), statement).rejects.toThrow(/violates/)
  expect(await checkLedger(sql)).toEqual([])
})
