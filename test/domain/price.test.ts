// Prices against the rows of real price lists, worked out by hand; the arithmetic against exact fractions.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { PRICE_DEFAULTS, priceDemand, type Price, type Prices } from '../../domain/price.ts'
import { formatUsd } from '../../domain/money.ts'
import { toDemand } from '../../domain/resource.ts'

type Given = Partial<Price> & { readonly perUnitUsd: string }

function list(rows: Readonly<Record<string, Given>>): Prices {
  const prices = Object.entries(rows).map(([resourceId, given], nth) => {
    const row: Price = {
      ...PRICE_DEFAULTS,
      id: nth + 1,
      resourceId,
      effectiveFromMs: 0,
      source: '',
      ...given,
    }
    return [resourceId, row] as const
  })
  return Object.fromEntries(prices)
}

type Asked = { readonly at?: string; readonly free?: Readonly<Record<string, number>> }

function costOf(prices: Prices, units: Readonly<Record<string, number>>, { at, free = {} }: Asked = {}) {
  const atMs = Date.parse(at ?? '2026-11-20T12:00:00Z')
  const priced = priceDemand(toDemand(units), prices, { atMs, freeUnits: free })
  return priced.kind === 'priced' ? formatUsd(priced.totalNanoUsd) : priced.kind
}

const million = (usd: number) => (usd / 1_000_000).toFixed(15)

const GPT_4 = list({ in: { perUnitUsd: '0.00003' }, out: { perUnitUsd: '0.00006' } })
const GPT_4O = list({
  in: { perUnitUsd: million(2.5) },
  cached: { perUnitUsd: million(1.25), partOf: 'in' },
  out: { perUnitUsd: million(10) },
  reasoning: { perUnitUsd: million(10), partOf: 'out' },
})
const SOL = list({
  in: { perUnitUsd: million(2), thresholds: [{ above: 272_000, perUnitUsd: million(4) }] },
  out: {
    perUnitUsd: million(10),
    thresholds: [{ above: 272_000, perUnitUsd: million(15) }],
    thresholdsOf: 'in',
  },
})
/** Peak 01-04 and 06-10 UTC, twice the price; weekends are off-peak. */
const WORKDAYS = ['mon', 'tue', 'wed', 'thu', 'fri'] as const
const peak = (fromHour: number, toHour: number, perUnitUsd: string) => ({
  days: WORKDAYS,
  fromMinute: fromHour * 60,
  toMinute: toHour * 60,
  perUnitUsd,
  thresholds: [],
})
const DEEPSEEK = list({
  in: { perUnitUsd: million(0.22), windows: [peak(1, 4, million(0.44)), peak(6, 10, million(0.44))] },
})
const OTHERS = list({
  'whisper/seconds': { perUnitUsd: '0.0001' },
  'tts/characters': { perUnitUsd: '0.000015' },
  'stripe/cents': { perUnitUsd: '0.00029', perCallUsd: '0.30' },
  'deepl/characters': { perUnitUsd: '0.00002', minimumUsd: '1' },
  'google/characters': { perUnitUsd: '0.00002', freePerMonth: 500_000 },
  images: { perUnitUsd: '0.04' },
  'images/hd': { perUnitUsd: '0.08', partOf: 'images' },
})

describe('a cost is that of the price list', () => {
  const table: Record<string, { prices: Prices; units: Record<string, number>; want: string } & Asked> = {
    'P3: GPT-4, in and out': { prices: GPT_4, units: { in: 800, out: 400 }, want: '0.048' },
    'P3: four tokens of gpt-4o are no float': {
      prices: GPT_4O,
      units: { in: 1, out: 3 },
      want: '0.0000325',
    },
    'P3: a part of a nano-USD is rounded up': {
      prices: list({ in: { perUnitUsd: '0.0000000001' } }),
      units: { in: 11 },
      want: '0.000000002',
    },
    'P2: "0" is free': { prices: list({ in: { perUnitUsd: '0' } }), units: { in: 9_999 }, want: '0' },
    'P2: no price is an error': { prices: GPT_4, units: { in: 1, other: 1 }, want: 'unknown-price' },
    'P4: cached tokens are a part of the input': {
      prices: GPT_4O,
      units: { in: 100_000, cached: 90_000 },
      want: '0.1375',
    },
    'P4: reasoning is a part of the output, and hides nothing of the rest': {
      prices: GPT_4O,
      units: { in: 1_000, out: 5_000, reasoning: 4_000 },
      want: '0.0525',
    },
    'P4: parts beyond their whole are billed, the whole then is not': {
      prices: GPT_4O,
      units: { in: 10, cached: 1_000 },
      want: '0.00125',
    },
    'P4: an image size': { prices: OTHERS, units: { images: 3, 'images/hd': 1 }, want: '0.16' },
    'P5: of two that name each other both are billed': {
      prices: list({ a: { perUnitUsd: '1', partOf: 'b' }, b: { perUnitUsd: '2', partOf: 'a' } }),
      units: { a: 1, b: 1 },
      want: '3',
    },
    'R2: at the threshold the request is not yet dearer': {
      prices: SOL,
      units: { in: 272_000, out: 1_000 },
      want: '0.554',
    },
    'R2: one token above, the whole request is': {
      prices: SOL,
      units: { in: 272_001, out: 1_000 },
      want: '1.103004',
    },
    'R1: off-peak before the window': {
      prices: DEEPSEEK,
      units: { in: 1_000_000 },
      at: '2026-11-20T00:59:59.999Z',
      want: '0.22',
    },
    'R1: peak from its first moment': {
      prices: DEEPSEEK,
      units: { in: 1_000_000 },
      at: '2026-11-20T01:00:00Z',
      want: '0.44',
    },
    'R1: off-peak at its end': {
      prices: DEEPSEEK,
      units: { in: 1_000_000 },
      at: '2026-11-20T10:00:00Z',
      want: '0.22',
    },
    'R3: a Saturday has no peak': {
      prices: DEEPSEEK,
      units: { in: 1_000_000 },
      at: '2026-11-21T02:00:00Z',
      want: '0.22',
    },
    'Whisper, six minutes': { prices: OTHERS, units: { 'whisper/seconds': 360 }, want: '0.036' },
    'speech by the character': { prices: OTHERS, units: { 'tts/characters': 2_000 }, want: '0.03' },
    'a percentage and a fixed fee: 2.9 % of $100 and $0.30': {
      prices: OTHERS,
      units: { 'stripe/cents': 10_000 },
      want: '3.2',
    },
    'a fixed fee is not due where nothing was used': {
      prices: OTHERS,
      units: { 'stripe/cents': 0 },
      want: '0',
    },
    'a minimum per call, below it': { prices: OTHERS, units: { 'deepl/characters': 200 }, want: '1' },
    'a minimum per call, above it': {
      prices: OTHERS,
      units: { 'deepl/characters': 50_001 },
      want: '1.00002',
    },
    'P6: the rest of the month’s allowance is free': {
      prices: OTHERS,
      units: { 'google/characters': 1_000 },
      free: { 'google/characters': 400 },
      want: '0.012',
    },
    'P6: an allowance that is used up gives nothing': {
      prices: OTHERS,
      units: { 'google/characters': 1_000 },
      want: '0.02',
    },
  }
  test.each(Object.entries(table))('%s', (_sentence, { prices, units, want, ...asked }) => {
    expect(costOf(prices, units, asked)).toBe(want)
  })
})

describe('R3: a window is of wall-clock time', () => {
  const night = (days: Price['windows'][number]['days']) =>
    list({
      in: {
        perUnitUsd: '1',
        timezone: 'Europe/Berlin',
        windows: [{ days, fromMinute: 22 * 60, toMinute: 2 * 60 + 30, perUnitUsd: '2', thresholds: [] }],
      },
    })
  // On 2026-10-25 Berlin's clocks go from 03:00 back to 02:00; on 2026-03-29 from 02:00 on to 03:00.
  const table: Record<string, { at: string; days?: Price['windows'][number]['days']; want: string }> = {
    'its first minute': { at: '2026-10-24T20:00:00Z', want: '2' },
    'after midnight it is of the day before': { at: '2026-10-24T23:00:00Z', days: ['sat'], want: '2' },
    'and not of the day itself': { at: '2026-10-24T23:00:00Z', days: ['sun'], want: '1' },
    'the hour that is repeated, first time': { at: '2026-10-25T00:15:00Z', want: '2' },
    'its second half is outside': { at: '2026-10-25T00:45:00Z', want: '1' },
    'the hour that is repeated, second time': { at: '2026-10-25T01:15:00Z', want: '2' },
    'after it': { at: '2026-10-25T01:30:00Z', want: '1' },
    'before the hour that is skipped': { at: '2026-03-29T00:59:59Z', want: '2' },
    'the hour that is skipped is in no window': { at: '2026-03-29T01:00:00Z', want: '1' },
  }
  test.each(Object.entries(table))('%s', (_sentence, { at, days = [], want }) => {
    expect(costOf(night(days), { in: 1 }, { at })).toBe(want)
  })
})

describe('for any prices and units', () => {
  const decimal = fc
    .tuple(fc.nat(3), fc.integer({ min: 0, max: 15 }), fc.nat(10 ** 12))
    .map(([whole, places, digits]) => {
      const fraction = String(digits).padStart(places, '0').slice(0, places)
      return fraction === '' ? String(whole) : `${whole}.${fraction}`
    })
  const units = fc.integer({ min: 0, max: 100_000 })
  const fraction = (text: string) => {
    const [whole = '', decimals = ''] = text.split('.')
    return BigInt(whole + decimals.padEnd(18, '0'))
  }
  const nanoOf = (prices: Prices, demand: Record<string, number>) => {
    const priced = priceDemand(toDemand(demand), prices, { atMs: 0, freeUnits: {} })
    return priced.kind === 'priced' ? priced.totalNanoUsd : Number.NaN
  }

  test('P3: a line is the exact fraction, rounded up by less than a nano-USD', () => {
    fc.assert(
      fc.property(decimal, decimal, units, (perUnitUsd, perCallUsd, count) => {
        const exact = count === 0 ? 0n : BigInt(count) * fraction(perUnitUsd) + fraction(perCallUsd)
        const got = BigInt(nanoOf(list({ r: { perUnitUsd, perCallUsd } }), { r: count })) * 10n ** 9n
        expect(got >= exact && got - exact < 10n ** 9n).toBe(true)
      }),
    )
  })

  test('P3: a sum of lines is the lines', () => {
    fc.assert(
      fc.property(decimal, decimal, units, units, (a, b, one, two) => {
        const prices = list({ a: { perUnitUsd: a }, b: { perUnitUsd: b } })
        expect(nanoOf(prices, { a: one, b: two })).toBe(
          nanoOf(prices, { a: one }) + nanoOf(prices, { b: two }),
        )
      }),
    )
  })

  test('more units never cost less, where a higher threshold is never cheaper', () => {
    fc.assert(
      fc.property(decimal, decimal, units, units, units, (base, more, above, one, two) => {
        const dearer = fraction(more) >= fraction(base) ? more : base
        const prices = list({ r: { perUnitUsd: base, thresholds: [{ above, perUnitUsd: dearer }] } })
        expect(nanoOf(prices, { r: one + two })).toBeGreaterThanOrEqual(nanoOf(prices, { r: one }))
      }),
    )
  })

  test('P4: telling a part changes a cost by the difference of the rates, and never counts a unit twice', () => {
    fc.assert(
      fc.property(units, units, (whole, more) => {
        const prices = list({ all: { perUnitUsd: '0.003' }, part: { perUnitUsd: '0.001', partOf: 'all' } })
        const part = Math.min(whole, more)
        expect(nanoOf(prices, { all: whole, part })).toBe(whole * 3_000_000 - part * 2_000_000)
      }),
    )
  })

  test('P6: an allowance given in two parts gives what it gives at once', () => {
    fc.assert(
      fc.property(units, units, units, (free, one, two) => {
        const prices = list({ r: { perUnitUsd: '0.001', freePerMonth: 1_000_000 } })
        const run = (count: number, left: number) => {
          const priced = priceDemand([['r', count]], prices, { atMs: 0, freeUnits: { r: left } })
          if (priced.kind !== 'priced') throw new Error('not priced')
          return { cost: priced.totalNanoUsd, left: left - (priced.lines[0]?.freeUnits ?? 0) }
        }
        const first = run(one, free)
        expect(first.cost + run(two, first.left).cost).toBe(run(one + two, free).cost)
      }),
    )
  })
})
