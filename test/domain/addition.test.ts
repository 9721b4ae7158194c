import { describe, expect, test } from 'vitest'
import { momentIn, raised, topUpRaise, type Raise } from '../../domain/addition.ts'

const raise = (amount: number, fromMs: number, untilMs: number | null): Raise => ({ amount, fromMs, untilMs })

describe('a raised budget', () => {
  const table: Record<string, { raises: readonly Raise[]; atMs: number; want: number }> = {
    'nothing was added': { raises: [], atMs: 5, want: 100 },
    'G1: from its beginning': { raises: [raise(7, 5, 10)], atMs: 5, want: 107 },
    'G1: not before': { raises: [raise(7, 5, 10)], atMs: 4, want: 100 },
    'G1: until its end': { raises: [raise(7, 5, 10)], atMs: 9, want: 107 },
    'G1: and not in it': { raises: [raise(7, 5, 10)], atMs: 10, want: 100 },
    'G1: for ever where it has none': { raises: [raise(7, 5, null)], atMs: 1_000_000, want: 107 },
    'several together': { raises: [raise(7, 0, 10), raise(11, 5, null)], atMs: 6, want: 118 },
  }
  test.for(Object.entries(table))('%s', ([, { raises, atMs, want }]) => {
    expect(raised({ amount: 100 }, raises, atMs).amount).toBe(want)
  })
})

test('G2: a top-up counts in its period alone', () => {
  const raises = [topUpRaise(7, { startMs: 10, endMs: 20 })]
  expect([9, 10, 19, 20].map((atMs) => raised({ amount: 100 }, raises, atMs).amount)).toEqual([
    100, 107, 107, 100,
  ])
})

test('G2: a settlement after its period is measured at the period’s last moment', () => {
  const span = { startMs: 10, endMs: 20 }
  expect([5, 10, 15, 19, 20, 99].map((atMs) => momentIn(span, atMs))).toEqual([10, 10, 15, 19, 19, 19])
  expect(momentIn({ startMs: 10, endMs: null }, 99)).toBe(99)
})
