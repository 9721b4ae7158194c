import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  EMPTY_BALANCE,
  chargedOf,
  holdOf,
  measured,
  remainingOf,
  spanOf,
  surchargeOf,
  type Balance,
  type Budget,
} from '../../domain/budget.ts'

const NOON = Date.parse('2026-11-21T12:00:00Z')
const base = { scope: 'acme', unit: 'tokens', period: 'day', timezone: 'UTC' } as const

function hard(amount: number): Budget {
  return { ...base, amount, enforcement: 'hard' }
}

function soft(
  amount: number,
  given: { graceMs?: number; overageMultiplier?: string; overageMax?: number } = {},
): Budget {
  return {
    ...base,
    amount,
    enforcement: 'soft',
    graceMs: 1_000,
    overageMultiplier: '1.5',
    overageMax: 30,
    ...given,
  }
}

const balance = (given: Partial<Balance>): Balance => ({ ...EMPTY_BALANCE, ...given })

describe('a hold', () => {
  const crossed = { used: 120, surcharge: 10, crossedAtMs: NOON }
  const table: Record<
    string,
    { budget: Budget; kept: Partial<Balance>; units: number; atMs?: number; want: object }
  > = {
    'B1: takes all that remains of a hard budget': {
      budget: hard(100),
      kept: { used: 60, held: 10 },
      units: 30,
      want: { kind: 'held', amount: 30 },
    },
    'B1: and not one unit more': {
      budget: hard(100),
      kept: { used: 60, held: 10 },
      units: 31,
      want: { kind: 'exceeded', needed: 31, remaining: 30 },
    },
    'a request that needs nothing is never in the way': {
      budget: hard(0),
      kept: { used: 5 },
      units: 0,
      want: { kind: 'held', amount: 0 },
    },
    'B2: what goes over a soft budget is held with its surcharge': {
      budget: soft(100),
      kept: { used: 90 },
      units: 30,
      want: { kind: 'held', amount: 40 },
    },
    'B2: and stays within the largest overage': {
      budget: soft(100),
      kept: { used: 90 },
      units: 31,
      want: { kind: 'exceeded', needed: 42, remaining: 10 },
    },
    'B2: in the grace more may go over': {
      budget: soft(100, { overageMax: 90 }),
      kept: crossed,
      units: 20,
      atMs: NOON + 999,
      want: { kind: 'held', amount: 30 },
    },
    'B2: after the grace it is hard until the period ends': {
      budget: soft(100, { overageMax: 90 }),
      kept: crossed,
      units: 1,
      atMs: NOON + 1_000,
      want: { kind: 'exceeded', needed: 2, remaining: -30 },
    },
  }
  test.for(Object.entries(table))('%s', ([, { budget, kept, units, atMs = NOON, want }]) => {
    expect(holdOf(budget, balance(kept), units, atMs)).toEqual(want)
  })
})

test('B4: booked in parts or at once, taken back or not, the surcharge is the same', () => {
  const parts = fc.array(fc.integer({ min: 1, max: 1_000 }), { minLength: 1, maxLength: 20 })
  const multiplier = fc.constantFrom('1', '1.5', '1.333', '2.001')
  fc.assert(
    fc.property(parts, multiplier, fc.integer({ min: 0, max: 5_000 }), (units, overageMultiplier, amount) => {
      const budget = soft(amount, { overageMultiplier })
      const book = (kept: Balance, used: number): Balance => ({
        ...kept,
        used: kept.used + used,
        surcharge: kept.surcharge + surchargeOf(budget, kept, used),
      })
      const inParts = units.reduce(book, EMPTY_BALANCE)
      const atOnce = book(
        EMPTY_BALANCE,
        units.reduce((sum, part) => sum + part, 0),
      )
      expect(inParts).toEqual(atOnce)
      expect(units.map((part) => -part).reduce(book, inParts)).toEqual(EMPTY_BALANCE)
    }),
  )
})

test('B1, B2: whatever is held, used within its hold or given back, the charge stays within amount and overage', () => {
  type Step = { readonly units: number; readonly share: number; readonly settleOldest: boolean }
  const steps: fc.Arbitrary<Step[]> = fc.array(
    fc.record({
      units: fc.integer({ min: 1, max: 60 }),
      share: fc.integer({ min: 0, max: 100 }),
      settleOldest: fc.boolean(),
    }),
    { maxLength: 40 },
  )
  fc.assert(
    fc.property(
      steps,
      fc.constantFrom(hard(100), soft(100), soft(50, { overageMultiplier: '2.5' })),
      (all, budget) => {
        let kept = EMPTY_BALANCE
        const open: { units: number; amount: number }[] = []
        for (const { units, share, settleOldest } of all) {
          const taken = holdOf(budget, kept, units, NOON)
          if (taken.kind === 'held') {
            open.push({ units, amount: taken.amount })
            kept = { ...kept, held: kept.held + taken.amount }
          }
          const ended = settleOldest ? open.shift() : open.pop()
          if (ended !== undefined) {
            const used = Math.floor((ended.units * share) / 100)
            const surcharge = surchargeOf(budget, kept, used)
            kept = {
              ...kept,
              held: kept.held - ended.amount,
              used: kept.used + used,
              surcharge: kept.surcharge + surcharge,
              crossedAtMs: null,
            }
          }
          const max = budget.amount + (budget.enforcement === 'soft' ? budget.overageMax : 0)
          expect(chargedOf(kept)).toBeLessThanOrEqual(max)
          expect(remainingOf(budget, kept)).toBeGreaterThanOrEqual(budget.amount - max)
        }
      },
    ),
  )
})

test('B5: a period is a calendar’s in its zone; total has no end', () => {
  const day = { period: 'day', timezone: 'America/New_York' } as const
  expect(spanOf(day, Date.parse('2026-11-01T12:00:00Z'))).toEqual({
    startMs: Date.parse('2026-11-01T04:00:00Z'),
    endMs: Date.parse('2026-11-02T05:00:00Z'),
  })
  expect(spanOf({ period: 'total', timezone: 'UTC' }, NOON)).toEqual({ startMs: 0, endMs: null })
})

describe('B7: a rolling budget is measured by what counts of it', () => {
  const rolling = (budget: Budget): Budget => ({ ...budget, period: 'rolling', windowMs: 60_000 })
  const crossed = { crossedAtMs: NOON }
  const table: Record<string, { budget: Budget; kept: Partial<Balance>; want: Partial<Balance> }> = {
    'within its amount it has no surcharge and no crossing': {
      budget: rolling(soft(100)),
      kept: { used: 100, ...crossed },
      want: { used: 100, surcharge: 0, crossedAtMs: null },
    },
    'above it has both': {
      budget: rolling(soft(100)),
      kept: { used: 113, ...crossed },
      want: { used: 113, surcharge: 7, crossedAtMs: NOON },
    },
    'a hard one has no surcharge': {
      budget: rolling(hard(100)),
      kept: { used: 113 },
      want: { used: 113, surcharge: 0 },
    },
    'one of a calendar is what it is': {
      budget: soft(100),
      kept: { used: 90, surcharge: 3, ...crossed },
      want: { used: 90, surcharge: 3, ...crossed },
    },
  }
  test.for(Object.entries(table))('%s', ([, { budget, kept, want }]) => {
    expect(measured(budget, balance(kept))).toEqual(balance({ ...kept, ...want }))
  })

  test('nothing of its surcharge is booked', () => {
    expect(surchargeOf(rolling(soft(10)), balance({ used: 10 }), 5)).toBe(0)
  })
})
