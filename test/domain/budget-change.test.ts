import { describe, expect, test } from 'vitest'
import { raisesOf } from '../../domain/budget-change.ts'
import type { Budget } from '../../domain/budget.ts'

const base = { scope: 'acme', unit: 'tokens', period: 'day', timezone: 'UTC', amount: 100 } as const
const hard = (given: Partial<Budget> = {}): Budget => ({ ...base, ...given, enforcement: 'hard' })
const soft = (given: Partial<Extract<Budget, { enforcement: 'soft' }>> = {}): Budget => ({
  ...base,
  graceMs: 1_000,
  overageMultiplier: '1.5',
  overageMax: 10,
  ...given,
  enforcement: 'soft',
})
const rolling = (windowMs: number) => hard({ period: 'rolling', windowMs })

describe('what gives more', () => {
  const table: Record<string, { before: Budget; after: readonly Budget[]; want: RegExp }> = {
    'R1: a higher amount': {
      before: hard(),
      after: [hard({ amount: 101 })],
      want: /raises the amount from 100 to 101/,
    },
    'R1: a cap removed': { before: hard(), after: [], want: /removes the day budget of tokens of "acme"/ },
    'R1: a softer enforcement': { before: hard(), after: [soft()], want: /softens the enforcement/ },
    'R1: a softer enforcement with a lower amount': {
      before: hard(),
      after: [soft({ amount: 1 })],
      want: /softens/,
    },
    'R1: a larger overage': {
      before: soft(),
      after: [soft({ overageMax: 11 })],
      want: /overage from 10 to 11/,
    },
    'R1: a cheaper overage': {
      before: soft(),
      after: [soft({ overageMultiplier: '1.499' })],
      want: /cheaper/,
    },
    'R1: a longer grace': {
      before: soft(),
      after: [soft({ graceMs: 1_001 })],
      want: /grace from 1000 to 1001 ms/,
    },
    'R2: a longer period': {
      before: hard(),
      after: [hard({ period: 'month' })],
      want: /removes the day budget/,
    },
    'R2: a shorter period, whose amount comes again sooner': {
      before: hard(),
      after: [hard({ period: 'hour' })],
      want: /removes the day budget/,
    },
    'R2: another zone': { before: hard(), after: [hard({ timezone: 'Asia/Kathmandu' })], want: /removes/ },
    'R2: a shorter window': { before: rolling(60_000), after: [rolling(1_000)], want: /removes the rolling/ },
    'R2: a carve-out in place of a cap': {
      before: hard({ period: 'total' }),
      after: [hard({ period: 'total', amount: 1, carved: { fromScope: 'global', givenAtMs: 0 } })],
      want: /removes the total budget/,
    },
  }
  test.for(Object.entries(table))('%s', ([, { before, after, want }]) => {
    expect(raisesOf([before], after).join('; ')).toMatch(want)
  })
})

describe('what gives nothing', () => {
  const carved = { fromScope: 'acme', givenAtMs: 0 }
  const table: Record<string, { before: readonly Budget[]; after: readonly Budget[] }> = {
    'the same': { before: [hard(), soft({ unit: 'USD' })], after: [soft({ unit: 'USD' }), hard()] },
    'a lower amount': { before: [hard()], after: [hard({ amount: 0 })] },
    'R1: a harder enforcement': { before: [soft()], after: [hard()] },
    'R1: a smaller, dearer, shorter overage': {
      before: [soft()],
      after: [soft({ overageMax: 0, overageMultiplier: '2', graceMs: 0 })],
    },
    'R3: a new cap': { before: [], after: [hard({ amount: 1_000_000 })] },
    'R3: a carve-out, larger or gone': {
      before: [hard({ period: 'total', carved })],
      after: [hard({ period: 'total', amount: 1_000, carved })],
    },
  }
  test.for(Object.entries(table))('%s', ([, { before, after }]) => {
    expect(raisesOf(before, after)).toEqual([])
  })
})
