// What is added to budgets, on the real database.

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { addToBudget, type Addition } from '../../activities/ledger/add-to-budget.ts'
import { admit } from '../../activities/ledger/admit.ts'
import { checkLedger } from '../../activities/ledger/check.ts'
import { getBudgets } from '../../activities/ledger/get-budgets.ts'
import { readOutbox } from '../../activities/ledger/read-outbox.ts'
import { recordEffects } from '../../activities/ledger/record-effects.ts'
import { release } from '../../activities/ledger/release.ts'
import type { Budget } from '../../domain/budget.ts'
import * as f from './fixture.ts'

let ledger: f.Ledger
beforeAll(async () => {
  ledger = await f.openLedger()
})
afterEach(async () => {
  expect(await checkLedger(ledger.sql)).toEqual([])
})
afterAll(() => ledger.close())

const HOUR_MS = 3_600_000
const DAY_MS = 86_400_000
const times = <T>(count: number, make: (nth: number) => T): T[] =>
  Array.from({ length: count }, (_, nth) => make(nth))

let clients = 0
async function client(amount: number, given: Partial<Budget> = {}): Promise<string> {
  clients += 1
  const id = `adder-${clients}`
  await f.client(ledger.sql, { id }, [f.hard(id, amount, given)])
  return id
}

let added = 0
type Given =
  | { readonly kind: 'increase'; readonly untilMs: number }
  | { readonly kind: 'top-up' }
  | { readonly kind: 'credit'; readonly untilMs: number | null; readonly priority: number }

async function add(scope: string, amount: number, given: Given, more: Partial<Addition> = {}, atMs = f.NOON) {
  added += 1
  const base = { id: `add-${added}`, scope, unit: f.TOKENS, period: 'month', windowMs: 0 } as const
  const addition = { ...base, amount, contentHash: 'h', ...given, ...more } as Addition
  return await addToBudget(ledger.sql, addition, { actor: f.ACTOR, atMs })
}
const credit = (scope: string, amount: number, priority = 0, untilMs: number | null = null, id?: string) =>
  add(scope, amount, { kind: 'credit', priority, untilMs }, id === undefined ? {} : { id })

async function reserve(clientId: string, units: number, atMs = f.NOON): Promise<string | null> {
  const ask = f.reservation({ clientId, resources: { [f.TOKENS]: units } })
  const admission = await admit(ledger.sql, ask, atMs)
  if (admission.kind !== 'admitted') return null
  await recordEffects(ledger.sql, [f.granted(ask.id, atMs)])
  return ask.id
}

async function settle(id: string | null, units: number, atMs = f.NOON): Promise<void> {
  const given = { reservationId: id ?? '', actual: { [f.TOKENS]: units }, costNanoUsd: null } as const
  const released = await release(
    ledger.sql,
    { ...given, outcome: 'success', contentHash: String(units) },
    atMs,
  )
  expect(released.kind).toBe('settled')
}

async function standing(scope: string, atMs = f.NOON) {
  const [found] = await getBudgets(ledger.sql, scope, atMs)
  if (found === undefined) throw new Error(`${scope} has no budget`)
  return found
}

async function creditsOf(scope: string) {
  const { credits } = await standing(scope)
  return Object.fromEntries(credits.map(({ id, used, held }) => [id, [used, held]]))
}

describe('A1: once by its id', () => {
  test('the same again changes nothing, another content is a mismatch', async () => {
    const id = await client(100)
    const topUp = (amount: number) =>
      add(id, amount, { kind: 'top-up' }, { id: `${id}-t`, contentHash: `${amount}` })
    expect([await topUp(5), await topUp(5)]).toEqual([{ isReplay: false }, { isReplay: true }])
    expect(await topUp(6)).toMatchObject({ refusal: { code: 'idempotency-mismatch' } })
    expect(await standing(id)).toMatchObject({ budget: { amount: 105 }, configured: 100, remaining: 105 })
  })

  test('[Lago #3618] 16 at once are one', async () => {
    const id = await client(100)
    const all = await Promise.all(times(16, () => add(id, 7, { kind: 'top-up' }, { id: `${id}-t` })))
    expect(all.filter((one) => 'isReplay' in one && !one.isReplay)).toHaveLength(1)
    const burnt = await Promise.all(times(16, () => credit(id, 9, 0, null, `${id}-c`)))
    expect(burnt.filter((one) => 'isReplay' in one && one.isReplay)).toHaveLength(15)
    expect(await standing(id)).toMatchObject({ remaining: 107, available: 116 })
  })

  test('a budget that is not there, and more additions than may be', async () => {
    const id = await client(100)
    expect(await add(id, 1, { kind: 'top-up' }, { period: 'day' })).toMatchObject({
      refusal: { code: 'not-found' },
    })
    const all = []
    for (const _ of times(33, Number)) all.push(await add(id, 1, { kind: 'top-up' }))
    expect(all.findIndex((one) => 'refusal' in one)).toBe(32)
    expect(all[32]).toMatchObject({ refusal: { code: 'conflict', members: { most: 32 } } })
  })
})

describe('raises', () => {
  test('G1, G4: an increase holds until it expires; what was used under it stays used', async () => {
    const id = await client(100)
    await add(id, 50, { kind: 'increase', untilMs: f.NOON + HOUR_MS })
    await settle(await reserve(id, 150), 150)
    expect(await reserve(id, 1)).toBeNull()
    expect(await standing(id, f.NOON + HOUR_MS)).toMatchObject({ budget: { amount: 100 }, remaining: -50 })
    expect(await reserve(id, 1, f.NOON + HOUR_MS)).toBeNull()
  })

  test('G2: a top-up is of its period alone', async () => {
    const id = await client(10, { period: 'day' })
    await add(id, 5, { kind: 'top-up' }, { period: 'day' })
    expect(await reserve(id, 15)).not.toBeNull()
    expect(await reserve(id, 15, f.NOON + DAY_MS)).toBeNull()
    expect(await reserve(id, 10, f.NOON + DAY_MS)).not.toBeNull()
  })

  test('a soft budget that was raised charges its surcharge above the raised amount', async () => {
    const id = await client(100)
    const soft = { enforcement: 'soft', graceMs: HOUR_MS, overageMultiplier: '2', overageMax: 100 } as const
    await f.putBudgets(ledger.sql, id, [{ ...f.hard(id, 100), ...soft }])
    await add(id, 50, { kind: 'top-up' })
    await settle(await reserve(id, 160), 160)
    expect(await standing(id)).toMatchObject({ used: 170, remaining: -20 })
  })
})

describe('credits', () => {
  test('D1, G3: are burnt when the own amount is gone, in their order, and refused beyond', async () => {
    const id = await client(10)
    await credit(id, 10, 2, null, `${id}-last`)
    await credit(id, 10, 1, f.NOON + DAY_MS, `${id}-second`)
    await credit(id, 10, 1, f.NOON + HOUR_MS, `${id}-first`)
    expect(Object.keys(await creditsOf(id))).toEqual([`${id}-first`, `${id}-second`, `${id}-last`])
    await settle(await reserve(id, 25), 25)
    expect(await creditsOf(id)).toEqual({
      [`${id}-first`]: [10, 0],
      [`${id}-second`]: [5, 0],
      [`${id}-last`]: [0, 0],
    })
    expect(await standing(id)).toMatchObject({ used: 10, held: 0, remaining: 0, available: 15 })
    const ask = f.reservation({ clientId: id, resources: { [f.TOKENS]: 16 } })
    expect(await admit(ledger.sql, ask, f.NOON)).toMatchObject({
      refusal: { code: 'budget-exceeded', members: { scope: id, needed: 16, remaining: 15 } },
    })
    expect(await reserve(id, 15)).not.toBeNull()
  })

  test('D2: one that expires is lost, but not what is held on it', async () => {
    const id = await client(0)
    await credit(id, 10, 0, f.NOON + HOUR_MS, `${id}-a`)
    const open = await reserve(id, 6)
    expect(await reserve(id, 1, f.NOON + HOUR_MS)).toBeNull()
    await settle(open, 6, f.NOON + HOUR_MS)
    expect(await standing(id)).toMatchObject({ used: 0, remaining: 0 })
    expect(await creditsOf(id)).toEqual({ [`${id}-a`]: [6, 0] })
  })

  test('D3, H2: use beyond the hold goes on with what is free, and what nothing covers is debt', async () => {
    const id = await client(5)
    await credit(id, 10, 0, null, `${id}-a`)
    await settle(await reserve(id, 5), 20)
    expect(await creditsOf(id)).toEqual({ [`${id}-a`]: [10, 0] })
    expect(await standing(id)).toMatchObject({ used: 10, remaining: -5, available: 0 })
  })

  test('D4: what was held and not used returns where it came from', async () => {
    const id = await client(5)
    await credit(id, 10, 0, null, `${id}-a`)
    await settle(await reserve(id, 12), 3)
    expect(await creditsOf(id)).toEqual({ [`${id}-a`]: [0, 0] })
    expect(await standing(id)).toMatchObject({ used: 3, held: 0, available: 12 })
  })

  test('many at once burn each credit once', async () => {
    const id = await client(10)
    for (const nth of times(4, Number)) await credit(id, 10, nth)
    const ids = await Promise.all(times(20, () => reserve(id, 5)))
    const open = ids.filter((one) => one !== null)
    expect(open).toHaveLength(10)
    await Promise.all(open.map((one, nth) => settle(one, nth % 2 === 0 ? 5 : 0)))
    const { used, held, credits } = await standing(id)
    expect(used + credits.reduce((sum, one) => sum + one.used, 0)).toBe(25)
    expect(held + credits.reduce((sum, one) => sum + one.held, 0)).toBe(0)
  })
})

describe('events of budgets', () => {
  async function told(scope: string): Promise<readonly unknown[]> {
    const events = await readOutbox(ledger.sql, { after: 0, limit: 5_000, clientId: scope })
    return events.flatMap(({ name, detail }) => {
      if (!name.startsWith('budget.')) return []
      const percent =
        typeof detail === 'object' && detail !== null && 'percent' in detail ? detail['percent'] : null
      return [name === 'budget.exhausted' ? 'exhausted' : percent]
    })
  }

  test('T2: every threshold is told once a period, whatever 20 parallel settlements cross, with one exhaustion', async () => {
    const id = await client(100)
    const ids = await Promise.all(times(30, () => reserve(id, 5)))
    const open = ids.filter((one) => one !== null)
    expect(open).toHaveLength(20)
    await Promise.all(open.map((one) => settle(one, 5)))
    expect(await told(id)).toEqual(['exhausted', 50, 80, 95, 100])
    const next = f.NOON + 30 * DAY_MS
    await settle(await reserve(id, 60, next), 60, next)
    expect((await told(id)).filter((one) => one === 50)).toHaveLength(2)
  })

  test('T1: the thresholds of a budget are its own', async () => {
    const id = await client(100, { thresholds: [10, 30] })
    await settle(await reserve(id, 100), 20)
    await settle(await reserve(id, 80), 80)
    expect(await told(id)).toEqual([10, 30])
  })

  test('use is told with what it was', async () => {
    const id = await client(100)
    const reservation = await reserve(id, 10)
    await settle(reservation, 7)
    const events = await readOutbox(ledger.sql, { after: 0, limit: 5_000, clientId: id })
    expect(events.find(({ name }) => name === 'usage.recorded')).toMatchObject({
      requestId: reservation,
      detail: { resources: { [f.TOKENS]: 7 }, costUsd: '0.007', kinds: ['use'] },
    })
  })
})
