import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EMPTY_BALANCE } from '../../domain/budget.ts'
import { THRESHOLDS_DEFAULT, thresholdsReached, withTold } from '../../domain/threshold.ts'

const balance = (used: number, given: { surcharge?: number; toldPercent?: number } = {}) => ({
  used,
  surcharge: 0,
  toldPercent: 0,
  ...given,
})

describe('thresholds', () => {
  const table: Record<
    string,
    { amount: number; balance: ReturnType<typeof balance>; want: readonly number[] }
  > = {
    'T1: none below the first': { amount: 1_000, balance: balance(499), want: [] },
    'T1: exactly its part reaches it': { amount: 1_000, balance: balance(500), want: [50] },
    'T1: several at once, in rising order': {
      amount: 1_000,
      balance: balance(2_000),
      want: [50, 80, 95, 100],
    },
    'T1: surcharges are charged too': { amount: 1_000, balance: balance(499, { surcharge: 1 }), want: [50] },
    'T2: what was told is not told again': {
      amount: 1_000,
      balance: balance(960, { toldPercent: 80 }),
      want: [95],
    },
    'T2: nor what lies below it': { amount: 1_000, balance: balance(600, { toldPercent: 95 }), want: [] },
    'T1: a budget of nothing is used up by the first use': {
      amount: 0,
      balance: balance(1),
      want: [50, 80, 95, 100],
    },
    'T1: and not before': { amount: 0, balance: balance(0), want: [] },
    'T1: large amounts are exact': {
      amount: Number.MAX_SAFE_INTEGER,
      balance: balance(Number.MAX_SAFE_INTEGER - 1),
      want: [50, 80, 95],
    },
  }
  test.for(Object.entries(table))('%s', ([, { amount, balance, want }]) => {
    expect(thresholdsReached(THRESHOLDS_DEFAULT, amount, balance)).toEqual(want)
  })
})

test('T2, T3: whatever is booked or given back, in whatever parts, each is told once', () => {
  const moves = fc.array(fc.integer({ min: -60, max: 60 }), { maxLength: 40 })
  const percents = fc.uniqueArray(fc.integer({ min: 1, max: 150 }), { maxLength: 6 })
  fc.assert(
    fc.property(moves, percents, fc.integer({ min: 1, max: 200 }), (all, wanted, amount) => {
      let [used, highest, toldPercent] = [0, 0, 0]
      const told: number[] = []
      for (const move of all) {
        used = Math.max(0, used + move)
        highest = Math.max(highest, used)
        const reached = thresholdsReached(wanted, amount, balance(used, { toldPercent }))
        told.push(...reached)
        toldPercent = Math.max(toldPercent, ...reached)
      }
      const want = wanted.filter((percent) => highest * 100 >= percent * amount).sort((a, b) => a - b)
      expect(told).toEqual(highest === 0 ? [] : want)
    }),
  )
})

test('T4: what a rolling budget told counts for the length of its window; in a calendar period to its end', () => {
  const told = { ...EMPTY_BALANCE, toldPercent: 80, toldAtMs: 1_000 }
  const after = (windowMs: number | undefined, atMs: number) =>
    withTold(windowMs === undefined ? {} : { windowMs }, told, atMs).toldPercent
  expect([after(60_000, 60_999), after(60_000, 61_000), after(undefined, 1_000_000)]).toEqual([80, 0, 80])
})
