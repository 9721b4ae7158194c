// Budgets of rolling windows, hard and soft, on the real database.

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { addToBudget } from '../../activities/ledger/add-to-budget.ts'
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
const MINUTE_MS = 60_000
/** When what was taken at noon has left a window of a minute. */
const LEFT = f.NOON + 61_000
const times = <T>(count: number, make: (nth: number) => T): T[] =>
  Array.from({ length: count }, (_, nth) => make(nth))

const window = { period: 'rolling', windowMs: MINUTE_MS } as const
const soft = { enforcement: 'soft', graceMs: 10_000, overageMultiplier: '2', overageMax: 10 } as const

let clients = 0
async function client(amount: number, given: Partial<Budget> = {}): Promise<string> {
  clients += 1
  const id = `roller-${clients}`
  await f.client(ledger.sql, { id }, [{ ...f.hard(id, amount, window), ...given } as Budget])
  return id
}

async function reserve(clientId: string, units: number, atMs = f.NOON): Promise<string | null> {
  const ask = f.reservation({ clientId, resources: { [f.TOKENS]: units } })
  if ((await admit(ledger.sql, ask, atMs)).kind !== 'admitted') return null
  await recordEffects(ledger.sql, [f.granted(ask.id, atMs)])
  return ask.id
}

async function settle(id: string | null, units: number, atMs = f.NOON): Promise<void> {
  const given = { actual: { [f.TOKENS]: units }, costNanoUsd: null, contentHash: String(units) } as const
  const reservationId = id ?? ''
  const released = await release(ledger.sql, { ...given, reservationId, outcome: 'success' }, atMs)
  expect(released.kind).toBe('settled')
}

async function standing(scope: string, atMs = f.NOON) {
  const [found] = await getBudgets(ledger.sql, scope, atMs)
  if (found === undefined) throw new Error(`${scope} has no budget`)
  return found
}

async function told(scope: string): Promise<readonly unknown[]> {
  const events = await readOutbox(ledger.sql, { after: 0, limit: 5_000, clientId: scope })
  return events.flatMap(({ name, detail }): readonly unknown[] => {
    if (name === 'budget.exhausted') return ['exhausted']
    if (name !== 'budget.threshold_reached') return []
    return [(detail as { readonly percent: number }).percent]
  })
}

describe('a hard one', () => {
  test('B6: count what was used in the window, and what is held however old it is', async () => {
    const id = await client(10, window)
    const open = await reserve(id, 4)
    await settle(await reserve(id, 6), 6)
    expect(await reserve(id, 1)).toBeNull()
    expect(await reserve(id, 6, f.NOON + 60_999)).toBeNull()
    const late = f.NOON + 61_000
    expect(await standing(id, late)).toMatchObject({ used: 0, held: 4, remaining: 6 })
    expect(await reserve(id, 7, late)).toBeNull()
    expect(await reserve(id, 6, late)).not.toBeNull()
    await settle(open, 4, late)
    expect(await standing(id, late)).toMatchObject({ used: 0, held: 6, remaining: 4 })
  })

  test('a refusal says when what is taken now has left', async () => {
    const id = await client(10, window)
    const ask = f.reservation({ clientId: id, resources: { [f.TOKENS]: 11 } })
    expect(await admit(ledger.sql, ask, f.NOON + 1)).toMatchObject({
      refusal: { members: { needed: 11, remaining: 10, resetsAt: new Date(f.NOON + 61_000).toISOString() } },
    })
  })

  test('B4: two windows of one unit both hold, and many at once pass neither', async () => {
    const id = await client(100)
    const hour = { ...f.hard(id, 30, window), windowMs: HOUR_MS }
    await f.putBudgets(ledger.sql, id, [f.hard(id, 20, window), hour])
    const first = await Promise.all(times(10, () => reserve(id, 5)))
    expect(first.filter((one) => one !== null)).toHaveLength(4)
    await Promise.all(first.filter((one) => one !== null).map((one) => settle(one, 5)))
    const next = await Promise.all(times(10, () => reserve(id, 5, f.NOON + 2 * 60_000)))
    expect(next.filter((one) => one !== null)).toHaveLength(2)
  })
})

describe('a soft one', () => {
  test('B7: what goes above the amount counts twice while it counts, and leaves with its surcharge', async () => {
    const id = await client(10, soft)
    await settle(await reserve(id, 8), 8)
    await settle(await reserve(id, 6, f.NOON + 1_000), 6, f.NOON + 1_000)
    expect(await standing(id, f.NOON + 1_000)).toMatchObject({ used: 18, held: 0, remaining: -8 })
    expect(await standing(id, LEFT - 1)).toMatchObject({ used: 18 })
    expect(await standing(id, LEFT)).toMatchObject({ used: 6, remaining: 4 })
  })

  test('B2: the hold pays for the surcharge, and what is charged stays within the largest overage', async () => {
    const id = await client(10, soft)
    expect(await reserve(id, 16)).toBeNull()
    const open = await reserve(id, 15)
    expect(await standing(id)).toMatchObject({ used: 0, held: 20, remaining: -10 })
    expect(await reserve(id, 1)).toBeNull()
    await settle(open, 15)
    expect(await standing(id)).toMatchObject({ used: 20, held: 0, remaining: -10 })
  })

  test('B7: after the grace it is hard until the use is back within the amount; then a crossing has another grace', async () => {
    const id = await client(10, soft)
    await settle(await reserve(id, 11), 11)
    await settle(await reserve(id, 1, f.NOON + 9_999), 1, f.NOON + 9_999)
    expect(await reserve(id, 1, f.NOON + 10_000)).toBeNull()
    expect(await reserve(id, 1, LEFT - 1)).toBeNull()
    await settle(await reserve(id, 11, LEFT), 11, LEFT)
    expect(await reserve(id, 1, LEFT + 9_999)).not.toBeNull()
    expect(await reserve(id, 1, LEFT + 10_000)).toBeNull()
  })

  test('B7: what is settled after its slice has left crosses nothing', async () => {
    const id = await client(10, soft)
    const old = await reserve(id, 10)
    await settle(old, 40, LEFT)
    expect(await standing(id, LEFT)).toMatchObject({ used: 0, held: 0, remaining: 10 })
    await settle(await reserve(id, 11, LEFT + 5_000), 11, LEFT + 5_000)
    expect(await reserve(id, 1, LEFT + 14_999)).not.toBeNull()
  })

  test('of many at once exactly those pass that the overage has room for', async () => {
    const id = await client(100, { ...soft, overageMax: 50 })
    const ids = await Promise.all(times(40, () => reserve(id, 5)))
    const open = ids.filter((one) => one !== null)
    expect(open).toHaveLength(25)
    await Promise.all(open.map((one) => settle(one, 5)))
    expect(await standing(id)).toMatchObject({ used: 150, held: 0, remaining: -50 })
  })

  test('what is used beyond a hold goes on with the room of the window, then with credits', async () => {
    const id = await client(10)
    const credit = { id: `${id}-gift`, scope: id, unit: f.TOKENS, ...window, contentHash: 'h' } as const
    const by = { actor: f.ACTOR, atMs: f.NOON }
    await addToBudget(ledger.sql, { ...credit, kind: 'credit', amount: 5, priority: 0, untilMs: null }, by)
    await settle(await reserve(id, 10), 10)
    await settle(await reserve(id, 1, LEFT), 9, LEFT)
    expect(await standing(id, LEFT)).toMatchObject({ used: 9, credits: [{ used: 0 }] })
    await settle(await reserve(id, 1, LEFT), 4, LEFT)
    expect(await standing(id, LEFT)).toMatchObject({ used: 10, credits: [{ used: 3 }] })
  })
})

describe('events', () => {
  test('T4: each threshold is told once in the length of the window, whatever leaves it and comes', async () => {
    const id = await client(100, { thresholds: [50, 80] })
    for (const atMs of [0, 20_000, 40_000].map((ms) => f.NOON + ms))
      await settle(await reserve(id, 30, atMs), 30, atMs)
    expect(await told(id)).toEqual([50, 80])
    // The first 30 have left, so that 80 % are reached once more.
    await settle(await reserve(id, 25, LEFT), 25, LEFT)
    await settle(await reserve(id, 1, f.NOON + 79_999), 1, f.NOON + 79_999)
    expect(await told(id)).toEqual([50, 80])
    await settle(await reserve(id, 1, f.NOON + 80_000), 1, f.NOON + 80_000)
    expect(await told(id)).toEqual([50, 80, 50, 80])
  })

  test('exhaustion is told once in the length of the window', async () => {
    const id = await client(10)
    for (const atMs of [0, 1, MINUTE_MS - 1, MINUTE_MS, MINUTE_MS + 1]) await reserve(id, 11, f.NOON + atMs)
    expect(await told(id)).toEqual(['exhausted', 'exhausted'])
  })

  test('what is told names the window and where it begins', async () => {
    const id = await client(10)
    await settle(await reserve(id, 5, f.NOON + 1_500), 5, f.NOON + 1_500)
    const events = await readOutbox(ledger.sql, { after: 0, limit: 5_000, clientId: id })
    expect(events.find(({ name }) => name === 'budget.threshold_reached')?.detail).toEqual({
      scope: id,
      budget: { unit: f.TOKENS, period: 'rolling', amount: 10, enforcement: 'hard', windowMs: MINUTE_MS },
      percent: 50,
      used: 5,
      periodStart: new Date(f.NOON - MINUTE_MS + 1_000).toISOString(),
    })
  })
})
