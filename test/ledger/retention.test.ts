// What is no longer kept goes, and the books can still be recomputed.

import { afterAll, expect, test } from 'vitest'
import { admit } from '../../activities/ledger/admit.ts'
import { checkLedger } from '../../activities/ledger/check.ts'
import { forgetPeriods, forgetSlices } from '../../activities/ledger/forget-periods.ts'
import { forgetRefused, forgetRequests } from '../../activities/ledger/forget-requests.ts'
import { getBudgets } from '../../activities/ledger/get-budgets.ts'
import { dropUsage, makePartitions } from '../../activities/ledger/partitions.ts'
import { recordEffects } from '../../activities/ledger/record-effects.ts'
import { release } from '../../activities/ledger/release.ts'
import { rollUpUsage } from '../../activities/ledger/roll-up-usage.ts'
import { reportUsage } from '../../activities/ledger/usage-report.ts'
import * as f from './fixture.ts'

const DAY_MS = 86_400_000
const YEAR_MS = 366 * DAY_MS

const ledger = await f.openLedger()
const { sql } = ledger
afterAll(async () => {
  await ledger.close()
})

const TERMS = { timezone: 'UTC', enforcement: 'hard' } as const
await f.client(sql, { id: 'payer' }, [
  f.hard('payer', '100', { ...TERMS, period: 'total' }),
  f.hard('payer', 10_000, { ...TERMS, period: 'minute' }),
  f.hard('payer', 10_000, { ...TERMS, period: 'rolling', windowMs: 3_600_000 }),
])

/** A reservation of 10 that used 7. */
async function used(atMs: number): Promise<string> {
  const ask = f.reservation({ clientId: 'payer' })
  await admit(sql, ask, atMs)
  await recordEffects(sql, [f.granted(ask.id, atMs)])
  const told = {
    actual: { [f.TOKENS]: 7 },
    costNanoUsd: null,
    outcome: 'success',
    contentHash: 'hash',
  } as const
  await release(sql, { reservationId: ask.id, ...told }, atMs)
  return ask.id
}

async function count(table: string): Promise<number> {
  const [row] = await sql<[{ rows: number }]>`
    select (xpath('/row/n/text()', query_to_xml('select count(*) as n from ' || ${table}::text, false, true, '')))[1]
           ::text::bigint as rows`
  return row.rows
}

test('ended requests go with all that is theirs; what they used stays used (K1, K2, G1, G2)', async () => {
  await used(f.NOON - 3 * DAY_MS - 3_600_000)
  await used(f.NOON)
  const open = f.reservation({ clientId: 'payer' })
  await admit(sql, open, f.NOON - 3 * DAY_MS)
  const unknown = f.reservation({ clientId: 'payer' })
  await admit(sql, unknown, f.NOON - 3 * DAY_MS)
  await recordEffects(sql, [f.granted(unknown.id, f.NOON - 3 * DAY_MS)])
  const told = { actual: null, costNanoUsd: null, outcome: 'unknown', contentHash: 'hash' } as const
  await release(sql, { reservationId: unknown.id, ...told }, f.NOON - 3 * DAY_MS)
  await recordEffects(sql, [f.effect('lease-expired', unknown.id, f.NOON - 3 * DAY_MS)])
  const [before] = await getBudgets(sql, 'payer', f.NOON)

  expect(await forgetRequests(sql, f.NOON - 4 * DAY_MS)).toBe(0)
  expect(await forgetRequests(sql, f.NOON - 2 * DAY_MS)).toBe(1)
  expect(await forgetRequests(sql, f.NOON - 2 * DAY_MS)).toBe(0)

  expect(await count('request')).toBe(3)
  expect(await count('cost_line')).toBe(1)
  const [after] = await getBudgets(sql, 'payer', f.NOON)
  expect(after).toEqual(before)
  expect(await checkLedger(sql)).toEqual([])
})

test('a refused request goes after a day, its id may come again', async () => {
  const ask = f.reservation({ clientId: 'payer', costNanoUsd: f.usd('1000') })
  expect(await admit(sql, ask, f.NOON)).toMatchObject({ kind: 'refused' })
  expect(await forgetRefused(sql, f.NOON + DAY_MS)).toBe(0)
  expect(await forgetRefused(sql, f.NOON + DAY_MS + 1)).toBe(1)
  expect(await admit(sql, { ...ask, costNanoUsd: f.usd('1') }, f.NOON + DAY_MS)).toMatchObject({
    kind: 'admitted',
  })
  expect(await checkLedger(sql)).toEqual([])
})

test('periods that are over and that nothing refers to go; one without an end stays (P1, P2)', async () => {
  expect(await forgetSlices(sql, f.NOON + YEAR_MS)).toBe(1)
  const before = await count('budget_period')
  expect(await forgetPeriods(sql, f.NOON + YEAR_MS)).toBe(1)
  expect(await count('budget_period')).toBe(before - 1)
  expect(await checkLedger(sql)).toEqual([])
})

test('lines of usage go by the month, not before the requests that they tell of; sums go after them (K3, M3)', async () => {
  const keep = { requestsMs: 0, usageLinesMonths: 2, usageSumsMonths: 4 }
  while ((await rollUpUsage(sql)) > 0);
  await makePartitions(sql, f.NOON)
  const later = (months: number) => Date.UTC(2026, 10 + months, 15)
  const report = async () =>
    await reportUsage(sql, {
      clientId: 'payer',
      groupBy: 'day',
      after: null,
      limit: 10,
      fromMs: f.NOON - 30 * DAY_MS,
      toMs: f.NOON + 30 * DAY_MS,
    })
  const before = await report()
  expect(before.total.requests).toBe(5)

  expect(await dropUsage(sql, keep, later(9))).toEqual([])
  expect(await count('usage_line')).toBeGreaterThan(0)

  await sql.unsafe(
    `truncate request, attempt, cost_line, event, hold, entry, budget_period, budget_slice cascade`,
  )
  expect(await dropUsage(sql, keep, later(2))).toEqual([])
  expect(await dropUsage(sql, keep, later(3))).toEqual(['usage_line_2026_11'])
  expect(await count('usage_line')).toBe(0)
  expect(await report()).toEqual(before)
  expect(await checkLedger(sql)).toEqual([])
  expect(await dropUsage(sql, keep, later(5))).toContain('usage_hour_2026_11')
  expect((await report()).total.requests).toBe(0)
})
