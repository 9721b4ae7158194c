// Random lives of carve-outs and of credits, beside models that recompute everything from lists of what was done.

import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { addToBudget } from '../../activities/ledger/add-to-budget.ts'
import { admit } from '../../activities/ledger/admit.ts'
import { checkLedger } from '../../activities/ledger/check.ts'
import { endScope } from '../../activities/ledger/end-scope.ts'
import { getBudgets } from '../../activities/ledger/get-budgets.ts'
import { recordEffects } from '../../activities/ledger/record-effects.ts'
import { release } from '../../activities/ledger/release.ts'
import * as f from './fixture.ts'

const RUNS = 15
const AMOUNT = 100

const ledger = await f.openLedger()
const { sql } = ledger
afterAll(() => ledger.close())

async function reserve(path: string, units: number, atMs = f.NOON): Promise<string | null> {
  const [clientId = '', session = null, swarm = null, run = null] = path.split('/')
  const scope = { session, swarm, run, step: null }
  const ask = f.reservation({ clientId, scope, resources: { [f.TOKENS]: units } })
  if ((await admit(sql, ask, atMs)).kind !== 'admitted') return null
  await recordEffects(sql, [f.granted(ask.id, atMs)])
  return ask.id
}

async function settle(reservationId: string, units: number, atMs = f.NOON): Promise<void> {
  const given = { reservationId, actual: { [f.TOKENS]: units }, costNanoUsd: null, contentHash: 'h' } as const
  expect(await release(sql, { ...given, outcome: 'success' }, atMs)).toMatchObject({ kind: 'settled' })
}

/** A life of a carve-out: `above` is the life that it comes from, null the client's own budget. */
type Life = { readonly scope: string; readonly above: Life | null; carved: number; isOver: boolean }
type Request = {
  readonly id: string
  readonly life: Life | null
  readonly units: number
  used: number | null
}

class Model {
  readonly lives: Life[] = []
  readonly requests: Request[] = []

  lifeOf(scope: string): Life | null {
    return this.lives.find((life) => life.scope === scope && !life.isOver) ?? null
  }

  /** The deepest one on a path. */
  holder(path: string): Life | null {
    for (let scope = path; scope.includes('/'); scope = scope.slice(0, scope.lastIndexOf('/'))) {
      const life = this.lifeOf(scope)
      if (life !== null) return life
    }
    return null
  }

  used(life: Life | null): number {
    const isBelow = (one: Life | null): boolean => one === life || (one !== null && isBelow(one.above))
    return sum(this.requests.filter((one) => isBelow(one.life)).map((one) => one.used ?? 0))
  }

  held(life: Life | null): number {
    const open = this.requests.filter((one) => one.life === life && one.used === null)
    const below = this.lives.filter(({ above }) => above === life)
    return sum(open.map(({ units }) => units)) + sum(below.map((one) => this.kept(one)))
  }

  kept(life: Life): number {
    return Math.max(this.held(life), (life.isOver ? 0 : life.carved) - this.used(life))
  }

  remaining(life: Life | null): number {
    return (life === null ? AMOUNT : life.carved) - this.used(life) - this.held(life)
  }
}

function sum(amounts: readonly number[]): number {
  return amounts.reduce((all, one) => all + one, 0)
}

const SCOPES = ['/a', '/a/x', '/a/x/r', '/b', '/b/x'] as const
const scope = fc.constantFrom(...SCOPES)
const steps = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('give' as const), scope, amount: fc.integer({ min: 1, max: 80 }) }),
    fc.record({ kind: fc.constant('reserve' as const), scope, amount: fc.integer({ min: 1, max: 40 }) }),
    fc.record({ kind: fc.constant('settle' as const), scope, amount: fc.nat(50) }),
    fc.record({ kind: fc.constant('end' as const), scope, amount: fc.constant(0) }),
  ),
  { minLength: 15, maxLength: 40 },
)
type Step = {
  readonly kind: 'give' | 'reserve' | 'settle' | 'end'
  readonly scope: string
  readonly amount: number
}

let clients = 0

async function perform(model: Model, client: string, { kind, scope: below, amount }: Step): Promise<void> {
  const path = client + below
  switch (kind) {
    case 'give': {
      const above = model.holder(path.slice(0, path.lastIndexOf('/')))
      const life = model.lifeOf(path)
      const from = life === null ? above : life.above
      const ask = { unit: f.TOKENS, amount, fromScope: from?.scope ?? client, thresholds: null }
      const more = Math.max(
        life === null ? 0 : model.held(life),
        amount - (life === null ? 0 : model.used(life)),
      )
      const isGiven = more - (life === null ? 0 : model.kept(life)) <= Math.max(0, model.remaining(from))
      const isOffChain =
        life === null &&
        model.lives.some(
          (one) =>
            !one.isOver &&
            one.scope.startsWith(`${path}/`) &&
            !(one.above?.scope ?? '').startsWith(`${path}/`),
        )
      const isLess = life !== null && more <= model.kept(life)
      const answer = await f.putBudgets(sql, path, [], [ask])
      expect('refusal' in answer).toBe(isOffChain || (!isGiven && !isLess))
      if ('refusal' in answer) return
      if (life === null) model.lives.push({ scope: path, above, carved: amount, isOver: false })
      else life.carved = amount
      return
    }
    case 'reserve': {
      const life = model.holder(path)
      const fits = amount <= model.remaining(life)
      const id = await reserve(path, amount)
      expect(id !== null).toBe(fits)
      if (id !== null) model.requests.push({ id, life, units: amount, used: null })
      return
    }
    case 'settle': {
      const one = model.requests.find(({ used }) => used === null)
      if (one === undefined) return
      await settle(one.id, amount)
      one.used = amount
      return
    }
    case 'end': {
      await endScope(sql, path, { actor: f.ACTOR, mayRaise: true, atMs: f.NOON })
      for (const life of model.lives) if (`${life.scope}/`.startsWith(`${path}/`)) life.isOver = true
      return
    }
    default:
      kind satisfies never
  }
}

test('V1 to V5: carve-outs are given, used and returned as the model says, which adds up lists', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (all) => {
      clients += 1
      const client = `carver-${clients}`
      await f.client(sql, { id: client }, [f.hard(client, AMOUNT)])
      const model = new Model()
      for (const step of all) {
        await perform(model, client, step)
        const [standing] = await getBudgets(sql, client, f.NOON)
        expect(standing).toMatchObject({ used: model.used(null), held: model.held(null) })
      }
      for (const life of model.lives.filter(({ isOver }) => !isOver)) {
        const [standing] = await getBudgets(sql, life.scope, f.NOON)
        expect(standing).toMatchObject({ used: model.used(life), remaining: model.remaining(life) })
      }
    }),
    { numRuns: RUNS },
  )
  expect(await checkLedger(sql)).toEqual([])
})

const creditSteps = fc.array(
  fc.record({
    kind: fc.constantFrom('credit' as const, 'reserve' as const, 'reserve' as const, 'settle' as const),
    amount: fc.integer({ min: 1, max: 30 }),
    priority: fc.nat(2),
    expiresIn: fc.option(fc.integer({ min: 1, max: 30 })),
    passes: fc.nat(3),
  }),
  { minLength: 10, maxLength: 30 },
)

test('D1 to D4: what is told to be available is admitted and no unit more; what was used is drawn once', async () => {
  await fc.assert(
    fc.asyncProperty(creditSteps, async (all) => {
      clients += 1
      const client = `burner-${clients}`
      await f.client(sql, { id: client }, [f.hard(client, 20)])
      const open: string[] = []
      let [atMs, used] = [f.NOON, 0]
      for (const [nth, { kind, amount, priority, expiresIn, passes }] of all.entries()) {
        atMs += passes
        if (kind === 'credit') {
          const budget = {
            scope: client,
            unit: f.TOKENS,
            period: 'month',
            windowMs: 0,
            contentHash: 'h',
          } as const
          const untilMs = expiresIn === null ? null : atMs + expiresIn
          const credit = { ...budget, id: `${client}-${nth}`, kind, amount, priority, untilMs }
          await addToBudget(sql, credit, { actor: f.ACTOR, atMs })
        } else if (kind === 'reserve') {
          const [standing] = await getBudgets(sql, client, atMs)
          const id = await reserve(client, amount, atMs)
          expect(id !== null).toBe(amount <= (standing?.available ?? 0))
          if (id !== null) open.push(id)
        } else {
          const id = open.shift()
          if (id === undefined) continue
          await settle(id, amount, atMs)
          used += amount
        }
      }
      const [row] = await sql<[{ used: number | null; over: number }]>`
        select sum(p.used)::bigint as used,
               count(*) filter (where b.source = 'credit' and p.used + p.held > b.amount) as over
        from budget_period p join budget b on b.id = p.budget_id where b.scope = ${client}`
      expect({ used: row.used ?? 0, over: row.over }).toEqual({ used, over: 0 })
    }),
    { numRuns: RUNS },
  )
  expect(await checkLedger(sql)).toEqual([])
})
