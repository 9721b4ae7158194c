import { describe, expect, test } from 'vitest'
import { EMPTY_BALANCE, type Balance, type Budget } from '../../domain/budget.ts'
import type { Credit } from '../../domain/credit.ts'
import { takeHolds, type Claim, type CreditStanding } from '../../domain/hold.ts'
import { nano } from '../../domain/money.ts'

const NOON = Date.parse('2026-11-21T12:00:00Z')
const budget = (scope: string, amount: number, given: Partial<Budget> = {}): Budget =>
  ({ scope, unit: 'tokens', amount, period: 'day', timezone: 'UTC', enforcement: 'hard', ...given }) as Budget
const soft = { enforcement: 'soft', graceMs: 1_000, overageMultiplier: '2', overageMax: 40 } as const
const used = (units: number): Balance => ({ ...EMPTY_BALANCE, used: units })
const credit = (id: string, amount: number, given: Partial<Credit> = {}): CreditStanding => ({
  credit: { id, priority: 0, untilMs: null, amount, ...given },
  key: id,
  balance: null,
})

function take(budgets: Claim<Budget>['budgets'], units: number) {
  const taken = takeHolds({ budgets, demand: [['tokens', units]], costNanoUsd: nano(0), atMs: NOON })
  if (taken.kind === 'refused') return { refusedBy: taken.by.scope, ...taken.refusal.members }
  return taken.holds.map(({ amount, credits }) => ({
    amount,
    credits: Object.fromEntries(credits.map(({ key, units: drawn }) => [key, drawn])),
  }))
}

test('H1: of two budgets that are short, the one nearer to the root is told', () => {
  const short = [budget('global', 4), budget('acme', 3), budget('acme/s', 2)] as const
  expect(
    take(
      short.map((one) => [one, null]),
      5,
    ),
  ).toMatchObject({ refusedBy: 'global', remaining: 4 })
  expect(
    take(
      short.map((one) => [one, null]),
      4,
    ),
  ).toMatchObject({ refusedBy: 'acme', remaining: 3 })
  expect(
    take(
      short.map((one) => [one, null]),
      3,
    ),
  ).toMatchObject({ refusedBy: 'acme/s', remaining: 2 })
})

test('H2: every budget of the path is held, one of another unit with 0', () => {
  const path = [budget('global', 9), budget('acme', 9, { unit: 'mails' }), budget('acme/s', 9)]
  expect(
    take(
      path.map((one) => [one, null]),
      5,
    ),
  ).toEqual([
    { amount: 5, credits: {} },
    { amount: 0, credits: {} },
    { amount: 5, credits: {} },
  ])
})

describe('H4: the own amount goes first, then credits, then the overage of a soft budget', () => {
  const credits = [credit('late', 10, { priority: 2 }), credit('early', 10, { priority: 1 })]
  const table: Record<string, { of: Budget; kept?: Balance; units: number; want: unknown }> = {
    'what the own amount has touches no credit': {
      of: budget('acme', 20, soft),
      units: 20,
      want: [{ amount: 20, credits: { early: 0, late: 0 } }],
    },
    'what it lacks is held on credits, in their order': {
      of: budget('acme', 20, soft),
      units: 35,
      want: [{ amount: 20, credits: { early: 10, late: 5 } }],
    },
    'what credits lack is overage, with its surcharge': {
      of: budget('acme', 20, soft),
      units: 47,
      want: [{ amount: 34, credits: { early: 10, late: 10 } }],
    },
    'a hard budget has no more than its credits': {
      of: budget('acme', 20),
      units: 41,
      want: { refusedBy: 'acme', scope: 'acme', needed: 41, remaining: 40 },
    },
    'debt of the own amount takes nothing of the credits': {
      of: budget('acme', 20),
      kept: used(50),
      units: 15,
      want: [{ amount: 0, credits: { early: 10, late: 5 } }],
    },
  }
  test.for(Object.entries(table))('%s', ([, { of, kept = null, units, want }]) => {
    const taken = take([[of, kept, credits]], units)
    if (Array.isArray(want)) expect(taken).toEqual(want)
    else expect(taken).toMatchObject(want as object)
  })
})
