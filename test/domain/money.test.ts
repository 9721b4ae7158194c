import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { addUsd, costOf, formatUsd, nano, parseUsd, subtractUsd, sumUsd } from '../../domain/money.ts'

const usd = (text: string) => parseUsd(text) ?? nano(Number.NaN)
const MOST = '9007199.254740991'

test('M1: amounts that no float holds are read, added and written exactly', () => {
  expect(formatUsd(addUsd(usd('0.1'), usd('0.2')))).toBe('0.3')
  expect(formatUsd(subtractUsd(usd('0.000000003'), usd('0.000000001')))).toBe('0.000000002')
  fc.assert(
    fc.property(fc.maxSafeInteger(), (amount) => {
      expect(parseUsd(formatUsd(nano(amount)))).toBe(amount)
    }),
  )
})

describe('M2: a line is rounded once, up', () => {
  const table: Record<string, { units: number; price: string; fee?: string; want: number }> = {
    'a tenth of a nano-USD is one': { units: 1, price: '0.0000000001', want: 1 },
    'ten tenths are one': { units: 10, price: '0.0000000001', want: 1 },
    'eleven tenths are two': { units: 11, price: '0.0000000001', want: 2 },
    'units and fee are rounded together': { units: 5, price: '0.0000000001', fee: '0.0000000005', want: 1 },
    'nothing is nothing': { units: 0, price: '1', want: 0 },
  }
  test.for(Object.entries(table))('%s', ([, { units, price, fee = '0', want }]) => {
    expect(costOf(units, price, fee)).toBe(want)
  })
})

test('M3: what is no safe integer is no amount, however it comes about', () => {
  expect([usd(MOST), usd(`-${MOST}`)]).toEqual([Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER])
  expect([parseUsd('9007199.254740992'), parseUsd('-9007199.254740992')]).toEqual([null, null])
  expect(() => addUsd(usd(MOST), nano(1))).toThrow(RangeError)
  expect(() => sumUsd([usd(MOST), nano(1)])).toThrow(RangeError)
  expect(() => costOf(Number.MAX_SAFE_INTEGER, '1')).toThrow(RangeError)
  expect(() => nano(0.5)).toThrow(RangeError)
})
