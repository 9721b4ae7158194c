// Every kind of limit by examples whose outcomes were worked out by hand.

import { describe, expect, test } from 'vitest'
import { stand } from './stand.ts'

type Step = readonly [
  atMs: number,
  tokens: number,
  want: 'admitted' | 'rejected',
  retryAfterMs?: number | null,
]
type Case = [name: string, limit: object, steps: readonly Step[]]

const MINUTE_START = Date.UTC(2026, 0, 1)
const tokens = { dimension: 'tokens', units: 10 }
const clock = { ...tokens, type: 'clock-window', windowMs: 1_000 }
const firstHit = { ...tokens, type: 'first-hit-window', windowMs: 1_000 }
const counter = { ...tokens, type: 'sliding-counter', windowMs: 1_000 }
const quantised = { ...tokens, type: 'quantised', units: 600, windowMs: 60_000, quantumMs: 1_000 }
const slew = { ...tokens, type: 'slew', windowMs: 1_000, growthPercent: 50, periodMs: 3_000 }
const cap = { ...tokens, type: 'spend-cap', untilMs: MINUTE_START + 5_000 }
const halved = {
  type: 'hidden-adaptive',
  dimension: 'tokens',
  windowMs: 1_000,
  schedule: [
    { afterMs: 0, units: 10 },
    { afterMs: 500, units: 5 },
    { afterMs: 3_000, units: 10 },
  ],
}

const CASES: readonly Case[] = [
  [
    'a window of the clock ends with the clock, whenever the first call came',
    clock,
    [
      [900, 10, 'admitted'],
      [999.999, 1, 'rejected', 0.001],
      [1_000, 10, 'admitted'],
      [1_000, 1, 'rejected', 1_000],
    ],
  ],
  [
    'a phase shifts it',
    { ...clock, phaseMs: 400 },
    [
      [399, 10, 'admitted'],
      [400, 10, 'admitted'],
      [1_000, 1, 'rejected', 400],
    ],
  ],
  [
    'a window from the first call ends that much later, and the next one begins with the next call',
    firstHit,
    [
      [300, 10, 'admitted'],
      [1_299, 1, 'rejected', 1],
      [1_500, 10, 'admitted'],
      [2_400, 1, 'rejected', 100],
    ],
  ],
  [
    'a sliding counter counts the window before by the part of it in sight',
    counter,
    [
      [500, 10, 'admitted'],
      [1_000, 1, 'rejected', 100],
      [1_100, 1, 'admitted'],
      [1_100, 1, 'rejected', 100],
      [1_500, 4, 'admitted'],
      [1_500, 1, 'rejected', 100],
    ],
  ],
  [
    'a sliding counter forgets after two windows',
    counter,
    [
      [0, 10, 'admitted'],
      [2_000, 10, 'admitted'],
    ],
  ],
  [
    'a limit per minute that is enforced every second gives a sixtieth at a time',
    quantised,
    [
      [0, 11, 'rejected', null],
      [0, 10, 'admitted'],
      [1, 1, 'rejected', 999],
      [1_000, 10, 'admitted'],
    ],
  ],
  [
    'a share below one is one',
    { ...quantised, units: 6 },
    [
      [0, 1, 'admitted'],
      [0, 1, 'rejected', 1_000],
    ],
  ],
  [
    'what grows may grow by half from one period to the next',
    slew,
    [
      [0, 10, 'admitted'],
      [0, 1, 'rejected', 1_000],
      [3_000, 15, 'admitted'],
      [3_000, 1, 'rejected', 1_000],
      [4_000, 15, 'admitted'],
      [6_000, 22, 'admitted'],
      [6_000, 1, 'rejected', 1_000],
    ],
  ],
  [
    'after a quiet period it begins at the threshold again',
    slew,
    [
      [0, 10, 'admitted'],
      [3_000, 15, 'admitted'],
      [9_000, 11, 'rejected', null],
      [9_000, 10, 'admitted'],
    ],
  ],
  [
    'a spend cap tells no time, and is gone at its end',
    cap,
    [
      [0, 10, 'admitted'],
      [4_999, 1, 'rejected', null],
      [5_000, 1_000, 'admitted'],
      [5_001, 1_000, 'admitted'],
    ],
  ],
  [
    'a hidden limit that is halved carries more than it should, and admits nothing until that has gone',
    halved,
    [
      [0, 8, 'admitted'],
      [499, 2, 'admitted'],
      [500, 1, 'rejected', null],
      [1_000, 3, 'admitted'],
      [1_000, 1, 'rejected', null],
      [3_000, 10, 'admitted'],
    ],
  ],
]

test.each(CASES)('%s', (_name, limit, steps) => {
  const { call } = stand({ limits: [limit] }, MINUTE_START)
  const got = steps.map(([atMs, tokens]): Step => {
    const verdict = call(atMs, { tokens })
    return verdict.kind === 'rejected'
      ? [atMs, tokens, 'rejected', verdict.retryAfterMs]
      : [atMs, tokens, 'admitted']
  })
  expect(got).toEqual(steps)
})

describe('a queue', () => {
  const queue = {
    type: 'queue-then-expire',
    dimension: 'segments',
    refillUnits: 1,
    refillMs: 1_000,
    ttlMs: 2_000,
  }

  test('accepts everything, sends at its rate and lets fail what waited too long', () => {
    const { call } = stand({ limits: [queue] }, MINUTE_START)
    const fates = [0, 0, 0, 0, 2_500].map((atMs) => {
      const verdict = call(atMs, { segments: 1 })
      if (verdict.kind === 'rejected') throw new Error('a queue rejects nothing')
      return verdict.fates.map((fate) => [fate.kind, fate.atMs - MINUTE_START])
    })
    expect(fates).toEqual([
      [['sent', 1_000]],
      [['sent', 2_000]],
      [['sent', 3_000]],
      [['expired', 2_000]],
      [['sent', 4_000]],
    ])
  })
})

describe('output that is charged as it is produced', () => {
  const bucket = {
    type: 'token-bucket',
    dimension: 'tokens',
    capacity: 100,
    refillUnits: 10,
    refillMs: 1_000,
  }
  const group = { limits: [bucket], refund: 'realtime' }

  test('D5: every part is charged at its time, whatever was reserved, and may become debt', () => {
    const { call, entries } = stand(group)
    const first = call(0, { tokens: 1 })
    if (first.kind !== 'admitted') throw new Error('the first call was rejected')
    first.produce({ tokens: 60 })
    first.produce({ tokens: 50 })
    expect(call(0, { tokens: 41 }).kind).toBe('rejected')
    first.end({ tokens: 110 })
    expect(call(0, { tokens: 1 })).toMatchObject({ kind: 'rejected', retryAfterMs: 1_100 })
    const debits = entries().flatMap((entry) => (entry.kind === 'debit' ? [entry.cost] : []))
    expect(debits).toEqual([{ tokens: 59 }, { tokens: 50 }])
  })
})

describe('a caller that goes', () => {
  const slots = { type: 'concurrency', dimension: 'calls', slots: 1 }
  test.each([
    ['D4: frees its slot at once', 'disconnect', 'admitted'],
    ['D4: holds it until the answer, where the provider goes on working', 'response', 'rejected'],
  ])('%s', (_name, release, want) => {
    const { call } = stand({ limits: [{ ...slots, release }] })
    const first = call(0, {})
    if (first.kind !== 'admitted') throw new Error('the first call was rejected')
    expect(first.leave({})).toBe(want === 'admitted')
    expect(call(1, {}).kind).toBe(want)
    first.end({})
    expect(call(2, {}).kind).toBe(want === 'admitted' ? 'rejected' : 'admitted')
  })
})
