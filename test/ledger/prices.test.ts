// Which price is in force, and what an allowance gives away, on a real Postgres.

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { admit } from '../../activities/ledger/admit.ts'
import { beginAttempt } from '../../activities/ledger/begin-attempt.ts'
import { checkLedger } from '../../activities/ledger/check.ts'
import { consume } from '../../activities/ledger/consume.ts'
import { costLines } from '../../activities/ledger/read-cost.ts'
import { pricesAt, listPrices } from '../../activities/ledger/read-config.ts'
import { putResource } from '../../activities/ledger/put-resource.ts'
import { recordAttempt } from '../../activities/ledger/record-attempt.ts'
import { recordEffects } from '../../activities/ledger/record-effects.ts'
import { release } from '../../activities/ledger/release.ts'
import { settleExecution } from '../../activities/ledger/settle-execution.ts'
import * as f from './fixture.ts'

let ledger: f.Ledger
beforeAll(async () => {
  ledger = await f.openLedger()
  await f.client(ledger.sql, { id: 'payer' }, [f.hard('payer', '100000')])
  for (const id of ['gemini/in', 'chars']) await putResource(ledger.sql, f.resource({ id }), f.ACTOR)
})
afterEach(async () => {
  expect(await checkLedger(ledger.sql)).toEqual([])
})
afterAll(() => ledger.close())

const NEW_YEAR = Date.parse('2027-01-01T00:00:00.000Z')
const done = { kind: 'completed', output: null, partial: false } as const

async function priceAt(id: string, atMs: number, clientId: string | null = null) {
  return (await pricesAt(ledger.sql, [id], { clientId, atMs }))[id]?.perUnitUsd
}

describe('P1: the price in force', () => {
  test('begins at its very moment: Gemini Flash doubles with the new year', async () => {
    await f.price(ledger.sql, 'gemini/in', '0.00000075')
    await f.price(ledger.sql, 'gemini/in', '0.0000015', { effectiveFromMs: NEW_YEAR })
    expect(await priceAt('gemini/in', NEW_YEAR - 1)).toBe('0.00000075')
    expect(await priceAt('gemini/in', NEW_YEAR)).toBe('0.0000015')
  })

  test('is taken when a deferral ends, not when it is asked', async () => {
    const ask = f.execution({
      clientId: 'payer',
      resources: { 'gemini/in': 1_000_000 },
      deferUntilMs: NEW_YEAR,
    })
    expect(await admit(ledger.sql, ask, NEW_YEAR - 5_000)).toMatchObject({
      plan: { estimatedNanoUsd: f.usd('1.5') },
    })
    const settlement = await settleExecution(ledger.sql, ask.id, { kind: 'cancelled' }, NEW_YEAR - 1)
    expect(settlement.costNanoUsd).toBe(0)
  })

  test('ends where it says; then the one before holds again', async () => {
    const ends = { effectiveFromMs: 1_000, effectiveToMs: 2_000 }
    await f.price(ledger.sql, 'promo', '2')
    await f.price(ledger.sql, 'promo', '1', ends)
    expect(await Promise.all([999, 1_000, 1_999, 2_000].map((at) => priceAt('promo', at)))).toEqual([
      '2',
      '1',
      '1',
      '2',
    ])
  })

  test('of a client goes before a newer one of all, and is nobody else’s', async () => {
    await f.price(ledger.sql, 'deal', '5', { clientId: 'payer', effectiveFromMs: 10 })
    await f.price(ledger.sql, 'deal', '9', { effectiveFromMs: 20 })
    expect(await priceAt('deal', 20, 'payer')).toBe('5')
    expect(await priceAt('deal', 20, 'acme')).toBe('9')
    expect(await priceAt('deal', 15, 'acme')).toBeUndefined()
  })

  test('keeps all its terms', async () => {
    const terms = {
      unit: 'tokens',
      timezone: 'Asia/Shanghai',
      thresholds: [{ above: 10, perUnitUsd: '2' }],
      windows: [{ days: ['mon' as const], fromMinute: 1, toMinute: 2, perUnitUsd: '3', thresholds: [] }],
      thresholdsOf: 'other',
      perCallUsd: '0.3',
      minimumUsd: '1',
      partOf: 'whole',
      freePerMonth: 7,
      checkedOn: '2026-11-20',
    }
    await f.price(ledger.sql, 'rich', '1', terms)
    expect(await listPrices(ledger.sql, 'rich')).toMatchObject([terms])
    expect((await pricesAt(ledger.sql, ['rich'], { clientId: null, atMs: 0 }))['rich']).toMatchObject(terms)
  })
})

async function used(consumed: Record<string, number>, resources: Record<string, number> = { chars: 1 }) {
  const ask = f.execution({ clientId: 'payer', resources })
  expect(await admit(ledger.sql, ask, f.NOON)).toMatchObject({ kind: 'admitted' })
  await recordEffects(ledger.sql, [f.granted(ask.id)])
  await beginAttempt(ledger.sql, ask.id, f.NOON)
  await recordAttempt(ledger.sql, ask.id, 1, { kind: 'reported', consumed, costNanoUsd: null }, f.NOON)
  return ask.id
}

test('a line tells the rate that applied, and parts take their units from the whole', async () => {
  const above = { thresholds: [{ above: 100, perUnitUsd: '2' }] }
  await f.price(ledger.sql, 'chars', '1', above)
  await f.price(ledger.sql, 'chars/cached', '0.5', { partOf: 'chars' })
  const id = await used({ chars: 101, 'chars/cached': 100 })
  expect(await settleExecution(ledger.sql, id, done, f.NOON)).toMatchObject({ costNanoUsd: f.usd('52') })
  expect(await costLines(ledger.sql, id)).toMatchObject([
    { item: 'chars', units: 1, perUnitUsd: '2', costNanoUsd: f.usd('2') },
    { item: 'chars/cached', units: 100, perUnitUsd: '0.5', costNanoUsd: f.usd('50') },
  ])
})

describe('F1: an allowance gives away what it has, once', () => {
  beforeAll(async () => {
    await f.price(ledger.sql, 'chars', '0.1', { effectiveFromMs: 1, freePerMonth: 100 })
  })
  const freeOf = async (id: string) =>
    (await costLines(ledger.sql, id)).reduce((sum, { freeUnits }) => sum + freeUnits, 0)

  test('whoever settles at the same moment', async () => {
    const ids = await Promise.all(Array.from({ length: 8 }, () => used({ chars: 30 })))
    const settled = await Promise.all(ids.map((id) => settleExecution(ledger.sql, id, done, f.NOON)))
    const costs = settled.reduce((sum, { costNanoUsd }) => sum + costNanoUsd, 0)
    expect(costs).toBe(f.usd('14'))
    const free = await Promise.all(ids.map(freeOf))
    expect(free.toSorted((a, b) => b - a)).toEqual([30, 30, 30, 10, 0, 0, 0, 0])
  })

  test('S1, F2, F3: leases that end together share it, and a late release gives back what it did not use', async () => {
    const inJanuary = Date.parse('2027-01-15T00:00:00Z')
    const ids = ['late-1', 'late-2']
    for (const id of ids) {
      const ask = f.reservation({ id, clientId: 'payer', resources: { chars: 80 } })
      await admit(ledger.sql, ask, inJanuary)
      await recordEffects(ledger.sql, [f.granted(id, inJanuary)])
      const told = { reservationId: id, consumed: { chars: 80 }, costNanoUsd: null, extendMs: null }
      await consume(ledger.sql, told, inJanuary)
    }
    const ends = ids.map((id) => ({ ...f.effect('lease-expired', id, inJanuary), atMs: inJanuary }))
    await recordEffects(ledger.sql, ends)
    expect(await Promise.all(ids.map(freeOf))).toEqual([80, 20])
    const late = {
      reservationId: 'late-1',
      actual: { chars: 50 },
      costNanoUsd: null,
      outcome: 'success',
      contentHash: 'late',
    } as const
    expect(await release(ledger.sql, late, inJanuary)).toMatchObject({ kind: 'settled', costNanoUsd: 0 })
    expect(await freeOf('late-1')).toBe(50)
    const [{ free }] = await ledger.sql<[{ free: number }]>`
      select free_units as free from allowance where starts_at = ${'2027-01-01T00:00:00Z'}`
    expect(free).toBe(70)
  })

  test('S2: whoever settles locks all periods before any allowance, of late reports too', async () => {
    const { sql } = ledger
    await f.client(sql, { id: 'other' }, [f.hard('other', '100000')])
    const held = async (clientId: string) => {
      const ask = f.reservation({ clientId, resources: { chars: 1 } })
      await admit(sql, ask, f.NOON)
      await recordEffects(sql, [f.granted(ask.id)])
      return ask.id
    }
    const [first, late] = [await held('payer'), await held('other')]
    await consume(
      sql,
      { reservationId: late, consumed: { chars: 1 }, costNanoUsd: null, extendMs: null },
      f.NOON,
    )
    await recordEffects(sql, [f.effect('lease-expired', late)])
    const given = { actual: { chars: 2 }, costNanoUsd: null, outcome: 'success', contentHash: 'h' } as const
    const settled = await sql.begin(async (tx) => {
      await tx`select from budget_period p join budget b on b.id = p.budget_id where b.scope = 'other' for update of p`
      const together = [first, late].map((reservationId) => release(sql, { ...given, reservationId }, f.NOON))
      await f.waiting(sql, 1)
      expect(await tx`select from allowance for update nowait`).not.toHaveLength(0)
      return () => Promise.all(together)
    })
    expect(await settled()).toMatchObject([
      { kind: 'settled', late: false },
      { kind: 'settled', late: true },
    ])
  })
})
