// Parts of a budget given to scopes below, on the real database: given, used, ended, at once and again.

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { addToBudget } from '../../activities/ledger/add-to-budget.ts'
import { admit } from '../../activities/ledger/admit.ts'
import type { CarveOutAsk } from '../../activities/ledger/carve-outs.ts'
import { checkLedger } from '../../activities/ledger/check.ts'
import { configVersion } from '../../activities/ledger/read-config.ts'
import { endScope } from '../../activities/ledger/end-scope.ts'
import { getBudgets } from '../../activities/ledger/get-budgets.ts'
import { recordEffects } from '../../activities/ledger/record-effects.ts'
import { release } from '../../activities/ledger/release.ts'
import type { Scope } from '../../domain/scope.ts'
import * as f from './fixture.ts'

let ledger: f.Ledger
beforeAll(async () => {
  ledger = await f.openLedger()
})
afterEach(async () => {
  expect(await checkLedger(ledger.sql)).toEqual([])
})
afterAll(() => ledger.close())

const times = <T>(count: number, make: (nth: number) => T): T[] =>
  Array.from({ length: count }, (_, nth) => make(nth))

const carve = (fromScope: string, amount: number): readonly CarveOutAsk[] => [
  { unit: f.TOKENS, amount, fromScope, thresholds: null },
]
const give = (scope: string, fromScope: string, amount: number) =>
  f.putBudgets(ledger.sql, scope, [], carve(fromScope, amount))
const end = (scope: string, mayRaise = true) =>
  endScope(ledger.sql, scope, { actor: f.ACTOR, mayRaise, atMs: f.NOON })
const scopeOf = (path: string): Scope => {
  const [, session = null, swarm = null, run = null, step = null] = path.split('/')
  return { session, swarm, run, step }
}

async function standing(scope: string) {
  const [found] = await getBudgets(ledger.sql, scope, f.NOON)
  if (found === undefined) return null
  const { used, held, remaining } = found
  return { used, held, remaining }
}

async function reserve(path: string, units: number): Promise<string | null> {
  const [clientId = ''] = path.split('/')
  const ask = f.reservation({ clientId, scope: scopeOf(path), resources: { [f.TOKENS]: units } })
  const { kind } = await admit(ledger.sql, ask, f.NOON)
  if (kind !== 'admitted') return null
  await recordEffects(ledger.sql, [f.granted(ask.id)])
  return ask.id
}

async function settle(id: string | null, units: number): Promise<void> {
  const given = { reservationId: id ?? '', actual: { [f.TOKENS]: units }, costNanoUsd: null } as const
  await release(ledger.sql, { ...given, outcome: 'success', contentHash: String(units) }, f.NOON)
}

let clients = 0
async function parent(amount: number): Promise<string> {
  clients += 1
  const id = `parent-${clients}`
  await f.client(ledger.sql, { id }, [f.hard(id, amount)])
  return id
}

describe('a carve-out', () => {
  test('V1: is held above when it is given, and refused with 402 where there is not so much', async () => {
    const client = await parent(100)
    await give(`${client}/a`, client, 60)
    expect(await standing(client)).toEqual({ used: 0, held: 60, remaining: 40 })
    expect(await give(`${client}/b`, client, 41)).toMatchObject({
      refusal: {
        code: 'budget-exceeded',
        members: {
          scope: client,
          budget: { unit: f.TOKENS, period: 'month', amount: 100, enforcement: 'hard' },
          needed: 41,
          remaining: 40,
          resetsAt: '2026-12-01T00:00:00.000Z',
        },
      },
    })
    expect(await standing(`${client}/b`)).toBeNull()
    await give(`${client}/b`, client, 40)
    expect(await standing(client)).toEqual({ used: 0, held: 100, remaining: 0 })
  })

  test('V2, V3, H1: is used up below, and what is used is used above too', async () => {
    const client = await parent(100)
    await give(`${client}/a`, client, 60)
    const id = await reserve(`${client}/a`, 30)
    expect(await standing(client)).toEqual({ used: 0, held: 60, remaining: 40 })
    expect(await standing(`${client}/a`)).toEqual({ used: 0, held: 30, remaining: 30 })
    await settle(id, 25)
    expect(await standing(client)).toEqual({ used: 25, held: 35, remaining: 40 })
    expect(await standing(`${client}/a`)).toEqual({ used: 25, held: 0, remaining: 35 })
    expect(await reserve(`${client}/a`, 36)).toBeNull()
    expect(await reserve(`${client}/b`, 41)).toBeNull()
  })

  test('V3: what is used beyond it is debt below, and used above', async () => {
    const client = await parent(100)
    await give(`${client}/a`, client, 20)
    await settle(await reserve(`${client}/a`, 20), 50)
    expect(await standing(client)).toEqual({ used: 50, held: 0, remaining: 50 })
    expect(await standing(`${client}/a`)).toEqual({ used: 50, held: 0, remaining: -30 })
  })

  test('V4: returns what is left when its scope ends; what is held returns as it settles', async () => {
    const client = await parent(100)
    await give(`${client}/a`, client, 60)
    await settle(await reserve(`${client}/a`, 10), 10)
    const open = await reserve(`${client}/a`, 20)
    const life = { scope: `${client}/a`, unit: f.TOKENS, returned: 30, stillHeld: 20 }
    expect(await end(`${client}/a`)).toEqual({ lives: [life] })
    expect(await standing(client)).toEqual({ used: 10, held: 20, remaining: 70 })
    expect(await end(`${client}/a`)).toEqual({ lives: [] })
    await settle(open, 5)
    expect(await standing(client)).toEqual({ used: 15, held: 0, remaining: 85 })
    expect(await standing(`${client}/a`)).toBeNull()
    expect(await reserve(`${client}/a`, 85)).not.toBeNull()
  })

  test('O2: given again as it is changes nothing; more is held above, less returns', async () => {
    const client = await parent(100)
    for (const amount of [30, 30, 70, 20]) {
      await give(`${client}/a`, client, amount)
      expect(await standing(client)).toMatchObject({ held: amount })
    }
    expect(await give(`${client}/a`, client, 101)).toMatchObject({ refusal: { members: { needed: 81 } } })
    expect(await standing(client)).toMatchObject({ held: 20 })
  })

  test('O3: a scope that is given one after its end begins anew', async () => {
    const client = await parent(100)
    for (const used of [10, 20, 30]) {
      await give(`${client}/a`, client, 40)
      expect(await standing(`${client}/a`)).toEqual({ used: 0, held: 0, remaining: 40 })
      await settle(await reserve(`${client}/a`, 40), used)
      await end(`${client}/a`)
    }
    expect(await standing(client)).toEqual({ used: 60, held: 0, remaining: 40 })
  })

  test('the end of a session ends its runs and steps', async () => {
    const client = await parent(100)
    await give(`${client}/a`, client, 90)
    await give(`${client}/a/s/r`, `${client}/a`, 50)
    await give(`${client}/a/s/r/t`, `${client}/a/s/r`, 20)
    const open = await reserve(`${client}/a/s/r/t`, 15)
    expect(await standing(`${client}/a`)).toEqual({ used: 0, held: 50, remaining: 40 })
    await end(`${client}/a`)
    expect(await standing(client)).toEqual({ used: 0, held: 15, remaining: 85 })
    await settle(open, 12)
    expect(await standing(client)).toEqual({ used: 12, held: 0, remaining: 88 })
  })

  test('O4: taken back, it ends those that were carved out of it, and no other', async () => {
    const client = await parent(100)
    await give(`${client}/a`, client, 50)
    await give(`${client}/a/s`, `${client}/a`, 30)
    await give(`${client}/a/s/r`, `${client}/a/s`, 20)
    await give(`${client}/b`, client, 10)
    const open = await reserve(`${client}/a/s/r`, 15)
    await f.putBudgets(ledger.sql, `${client}/a`, [])
    expect(await standing(client)).toEqual({ used: 0, held: 25, remaining: 75 })
    expect([await standing(`${client}/a/s`), await standing(`${client}/a/s/r`)]).toEqual([null, null])
    expect(await standing(`${client}/b`)).toMatchObject({ remaining: 10 })
    await settle(open, 15)
    expect(await standing(client)).toEqual({ used: 15, held: 10, remaining: 75 })
  })

  test('is carved out of every budget of its unit above, and of no other', async () => {
    const client = await parent(100)
    const day = f.hard(client, 50, { period: 'day' })
    const window = f.hard(client, 50, { period: 'rolling', windowMs: 60_000 })
    const money = f.hard(client, '1')
    await f.putBudgets(ledger.sql, client, [f.hard(client, 100), day, money, window])
    await give(`${client}/a`, client, 30)
    const held = (await getBudgets(ledger.sql, client, f.NOON)).map(({ budget, held }) => [
      budget.period,
      held,
    ])
    expect(held).toEqual([
      ['month', 0],
      ['day', 30],
      ['month', 30],
      ['rolling', 0],
    ])
    expect(await give(`${client}/b`, client, 21)).toMatchObject({ refusal: { code: 'budget-exceeded' } })
  })

  test('P2: is no configuration: given, changed and taken back, it changes no version', async () => {
    const client = await parent(100)
    const before = await configVersion(ledger.sql)
    await give(`${client}/a`, client, 30)
    await give(`${client}/a`, client, 20)
    await f.putBudgets(ledger.sql, `${client}/a`, [])
    expect(await configVersion(ledger.sql)).toBe(before)
  })

  test('comes from one place at a time, and from a place that has such a budget', async () => {
    const client = await parent(100)
    await give(`${client}/a`, client, 30)
    expect(await give(`${client}/a/s`, `${client}/b`, 1)).toMatchObject({ refusal: { code: 'conflict' } })
    await give(`${client}/a/s`, `${client}/a`, 10)
    expect(await give(`${client}/a/s`, client, 10)).toMatchObject({ refusal: { code: 'conflict' } })
  })

  test('O5: on one path they are a chain, each from the next one above', async () => {
    const client = await parent(100)
    await give(`${client}/a/s`, client, 30)
    const conflict = { refusal: { code: 'conflict', members: { other: `${client}/a/s` } } }
    expect(await give(`${client}/a/s/r`, client, 10)).toMatchObject(conflict)
    expect(await give(`${client}/a`, client, 10)).toMatchObject(conflict)
    expect(await give(`${client}/a/s/r`, `${client}/a/s`, 10)).not.toHaveProperty('refusal')
    expect(await give(`${client}/a/t`, client, 10)).not.toHaveProperty('refusal')
  })

  test('E2: ended by whoever may only lower, who removes no other cap', async () => {
    const client = await parent(100)
    await give(`${client}/a`, client, 30)
    expect(await end(client, false)).toMatchObject({ refusal: { code: 'forbidden' } })
    expect(await end(`${client}/a`, false)).toMatchObject({ lives: [{ returned: 30 }] })
  })

  test('takes no additions: its amount is what was carved', async () => {
    const client = await parent(100)
    await give(`${client}/a`, client, 30)
    const budget = { scope: `${client}/a`, unit: f.TOKENS, period: 'total', windowMs: 0 } as const
    const topUp = { ...budget, kind: 'top-up', id: `${client}-more`, amount: 1, contentHash: 'x' } as const
    expect(await addToBudget(ledger.sql, topUp, { actor: f.ACTOR, atMs: f.NOON })).toMatchObject({
      refusal: { code: 'conflict' },
    })
  })
})

describe('at once', () => {
  test('V1: of 20 carve-outs of 30 in a budget of 100, 3 are given', async () => {
    const client = await parent(100)
    const all = await Promise.all(times(20, (nth) => give(`${client}/s${nth}`, client, 30)))
    expect(all.filter((one) => !('refusal' in one))).toHaveLength(3)
    expect(await standing(client)).toEqual({ used: 0, held: 90, remaining: 10 })
  })

  test('V4, O2, E1: given, used, ended and ended again by many, everything returns but what was used', async () => {
    const client = await parent(300)
    const scopes = times(10, (nth) => `${client}/s${nth}`)
    await Promise.all(scopes.map((scope) => give(scope, client, 30)))
    const ids = await Promise.all(scopes.flatMap((scope) => [reserve(scope, 15), reserve(scope, 15)]))
    await Promise.all([
      ...scopes.flatMap((scope) => [end(scope), end(scope)]),
      ...ids.map((id) => settle(id, 11)),
      end(client),
    ])
    const [row] = await ledger.sql<[{ held: number; used: number }]>`
      select p.held, p.used from budget_period p join budget b on b.id = p.budget_id where b.scope = ${client}`
    expect(row).toEqual({ held: 0, used: 220 })
  })

  test('V4, O1: whoever asks while the scope ends is held once, below or above, and never overspends', async () => {
    const client = await parent(100)
    for (const round of times(6, (nth) => nth)) {
      const scope = `${client}/r${round}`
      await give(scope, client, 10)
      const [, ...ids] = await Promise.all([end(scope), ...times(6, () => reserve(scope, 5))])
      const state = await standing(client)
      expect((state?.held ?? 0) + (state?.used ?? 0)).toBeLessThanOrEqual(100)
      expect(await checkLedger(ledger.sql)).toEqual([])
      await Promise.all(ids.filter((id) => id !== null).map((id) => settle(id, 0)))
    }
    expect(await standing(client)).toEqual({ used: 0, held: 0, remaining: 100 })
  })
})
