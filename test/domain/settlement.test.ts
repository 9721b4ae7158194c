import { describe, expect, test } from 'vitest'
import { nano, type NanoUsd } from '../../domain/money.ts'
import { PRICE_DEFAULTS, priceDemand, type Prices } from '../../domain/price.ts'
import type { Use } from '../../domain/report.ts'
import { bookingOf, charge, correctionOf, sumUnits, type Reserved } from '../../domain/settlement.ts'
import { EMPTY_BALANCE, type Budget } from '../../domain/budget.ts'

const price = (id: number, resourceId: string, perUnitUsd: string) => ({
  ...PRICE_DEFAULTS,
  id,
  resourceId,
  perUnitUsd,
  effectiveFromMs: 0,
  source: 'test',
})
const prices: Prices = {
  in: price(1, 'in', '0.0000000005'),
  out: price(2, 'out', '0.000003'),
}
const occasion = { atMs: 0, freeUnits: {} }
const reserved: Reserved = {
  demand: [
    ['in', 3],
    ['out', 10],
  ],
  costNanoUsd: nano(30_002),
  prices,
  occasion,
}
const reported = (consumed: Record<string, number>, costNanoUsd: NanoUsd | null = null): Use => ({
  kind: 'reported',
  consumed,
  costNanoUsd,
})

test('P2, P3: each line is rounded up once; an unknown price is told, never 0', () => {
  expect(priceDemand(reserved.demand, prices, occasion)).toEqual({
    kind: 'priced',
    lines: [
      { item: 'in', units: 3, freeUnits: 0, priceId: 1, perUnitUsd: '0.0000000005', costNanoUsd: 2 },
      { item: 'out', units: 10, freeUnits: 0, priceId: 2, perUnitUsd: '0.000003', costNanoUsd: 30_000 },
    ],
    totalNanoUsd: 30_002,
  })
  expect(priceDemand([['none', 1]], prices, occasion)).toEqual({ kind: 'unknown-price', resourceId: 'none' })
})

describe('what an attempt is booked at', () => {
  const brought: Reserved = { demand: [['raw', 5]], costNanoUsd: nano(700), prices: {}, occasion }
  const table: Record<
    string,
    { use: Use; reserved?: Reserved; want: { kind: string; costNanoUsd: number; items: string[] } }
  > = {
    'S1: units at their prices': {
      use: reported({ in: 1, out: 1 }),
      want: { kind: 'use', costNanoUsd: 3_001, items: ['in', 'out'] },
    },
    'S1: explicit zero costs nothing and has no line': {
      use: reported({ in: 0, out: 0 }),
      want: { kind: 'use', costNanoUsd: 0, items: [] },
    },
    'S1: an answer without a report used nothing': {
      use: { kind: 'none' },
      want: { kind: 'use', costNanoUsd: 0, items: [] },
    },
    'S1: the worker’s own figure is one line': {
      use: reported({ in: 9 }, nano(12)),
      want: { kind: 'use', costNanoUsd: 12, items: ['*'] },
    },
    'S2: no answer is the worst case, assumed': {
      use: { kind: 'unknown' },
      want: { kind: 'assumed', costNanoUsd: 30_002, items: ['in', 'out'] },
    },
    'S2: the worst case of a brought cost is that cost': {
      use: { kind: 'unknown' },
      reserved: brought,
      want: { kind: 'assumed', costNanoUsd: 700, items: ['*'] },
    },
    'units without a price cost what was brought, assumed': {
      use: reported({ raw: 2 }),
      reserved: brought,
      want: { kind: 'assumed', costNanoUsd: 700, items: ['*'] },
    },
    'zero of them is zero': {
      use: reported({ raw: 0 }),
      reserved: brought,
      want: { kind: 'use', costNanoUsd: 0, items: [] },
    },
    'what nobody reserved and nobody priced is shown without a price': {
      use: reported({ out: 1, other: 4 }),
      want: { kind: 'use', costNanoUsd: 3_000, items: ['other', 'out'] },
    },
  }
  test.for(Object.entries(table))('%s', ([, { use, reserved: given = reserved, want }]) => {
    const { kind, costNanoUsd, lines } = bookingOf({ attempt: 1, use }, given)
    expect({ kind, costNanoUsd, items: lines.map(({ item }) => item) }).toEqual(want)
  })
})

test('S2: a correction turns what was assumed into what was used, line by line', () => {
  const assumed = bookingOf({ attempt: 2, use: { kind: 'unknown' } }, reserved)
  const used = bookingOf({ attempt: 2, use: reported({ out: 12 }) }, reserved)
  const correction = correctionOf(assumed, used)
  expect(correction).toMatchObject({
    attempt: 2,
    kind: 'correction',
    costNanoUsd: 36_000 - 30_002,
    lines: [
      { item: 'in', units: -3, costNanoUsd: -2 },
      { item: 'out', units: 2, costNanoUsd: 6_000 },
    ],
  })
  expect(sumUnits([assumed.units, correction.units])).toEqual([
    ['in', 0],
    ['out', 12],
  ])
})

test('S3, S4: every budget is charged in its unit and the holds come back, whatever that does to it', () => {
  const budget = (unit: string, amount: number): Budget => ({
    scope: 'acme',
    unit,
    amount,
    period: 'day',
    timezone: 'UTC',
    enforcement: 'hard',
  })
  const holds = [
    { key: 'usd', budget: budget('USD', 1), open: 30_002, credit: null },
    { key: 'out', budget: budget('out', 1), open: 10, credit: null },
    { key: 'other', budget: budget('unused', 1), open: 0, credit: null },
  ]
  const bookings = [bookingOf({ attempt: 1, use: reported({ out: 12 }) }, reserved)]
  const balances = { usd: EMPTY_BALANCE, out: EMPTY_BALANCE, other: EMPTY_BALANCE }
  expect(charge({ holds, bookings, balances, atMs: 0 })).toEqual([
    { key: 'usd', attempt: 1, kind: 'use', held: 0, used: 36_000, surcharge: 0 },
    { key: 'usd', attempt: 0, kind: 'release', held: -30_002, used: 0, surcharge: 0 },
    { key: 'out', attempt: 1, kind: 'use', held: 0, used: 12, surcharge: 0 },
    { key: 'out', attempt: 0, kind: 'release', held: -10, used: 0, surcharge: 0 },
  ])
})

test('S5: use is drawn from the own amount, then from its credits; the surcharge is the own amount’s alone', () => {
  const own: Budget = {
    ...{ scope: 'acme', unit: 'out', amount: 10, period: 'day', timezone: 'UTC' },
    ...{ enforcement: 'soft', graceMs: 1, overageMultiplier: '2', overageMax: 100 },
  }
  const credit = { id: 'gift', priority: 0, untilMs: null, amount: 5, ofKey: 'own', drawn: 0 }
  const ofCredit: Budget = { ...own, period: 'total', amount: 5, enforcement: 'hard' }
  const holds = [
    { key: 'own', budget: own, open: 10, credit: null },
    { key: 'gift', budget: ofCredit, open: 5, credit },
  ]
  const balances = {
    own: { ...EMPTY_BALANCE, held: 10 },
    gift: { ...EMPTY_BALANCE, held: 5 },
  }
  const bookings = [bookingOf({ attempt: 1, use: reported({ out: 18 }) }, reserved)]
  const charges = charge({ holds, bookings, balances, atMs: 0 }).filter(({ kind }) => kind === 'use')
  expect(charges.map(({ key, used, surcharge }) => [key, used, surcharge])).toEqual([
    ['own', 13, 3],
    ['gift', 5, 0],
  ])
})
