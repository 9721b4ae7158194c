import { describe, expect, test } from 'vitest'
import { stand, START_MS } from './stand.ts'

const bucket = { type: 'token-bucket', dimension: 'tokens', capacity: 100, refillUnits: 10, refillMs: 1_000 }
const window = { type: 'sliding-window', dimension: 'tokens', units: 100, windowMs: 1_000 }

type Step = readonly [
  atMs: number,
  tokens: number,
  want: 'admitted' | 'rejected',
  retryAfterMs?: number | null,
]

/** The steps as they really went. */
function outcomes(group: unknown, steps: readonly Step[], startMs?: number): Step[] {
  const { call } = stand(group, startMs)
  return steps.map(([atMs, tokens]) => {
    const verdict = call(atMs, { tokens })
    return verdict.kind === 'rejected'
      ? [atMs, tokens, 'rejected', verdict.retryAfterMs]
      : [atMs, tokens, 'admitted']
  })
}

describe('token bucket', () => {
  test.each<[string, readonly Step[]]>([
    [
      'starts full and is empty after its capacity',
      [
        [0, 100, 'admitted'],
        [0, 1, 'rejected', 100],
      ],
    ],
    [
      'refills continuously: one unit every 100 ms',
      [
        [0, 100, 'admitted'],
        [99.999, 1, 'rejected', 0.001],
        [100, 1, 'admitted'],
        [100, 1, 'rejected', 100],
      ],
    ],
    [
      'never holds more than its capacity',
      [
        [600_000, 100, 'admitted'],
        [600_000, 1, 'rejected', 100],
      ],
    ],
    [
      'tells no time for what never fits',
      [
        [0, 101, 'rejected', null],
        [0, 100, 'admitted'],
      ],
    ],
    [
      'is exact where the rate is no whole number',
      [
        [0, 100, 'admitted'],
        [33.3, 1, 'rejected', 66.7],
      ],
    ],
  ])('%s', (_name, steps) => expect(outcomes({ limits: [bucket] }, steps)).toEqual(steps))
})

describe('sliding window', () => {
  test.each<[string, readonly Step[]]>([
    [
      'a unit counts for the whole window and not a microsecond longer',
      [
        [0, 100, 'admitted'],
        [999.999, 1, 'rejected', 0.001],
        [1_000, 100, 'admitted'],
        [1_000, 1, 'rejected', 1_000],
      ],
    ],
    [
      'waits until enough has left it',
      [
        [0, 60, 'admitted'],
        [500, 40, 'admitted'],
        [600, 50, 'rejected', 400],
        [600, 70, 'rejected', 900],
        [1_000, 60, 'admitted'],
      ],
    ],
    ['tells no time for what never fits', [[0, 101, 'rejected', null]]],
  ])('%s', (_name, steps) => expect(outcomes({ limits: [window] }, steps)).toEqual(steps))
})

describe('fixed window', () => {
  const minute = { type: 'fixed-window', dimension: 'tokens', units: 10, period: 'minute' }
  const pacificDay = {
    type: 'fixed-window',
    dimension: 'tokens',
    units: 10,
    period: 'day',
    timezone: 'America/Los_Angeles',
  }
  const month = {
    type: 'fixed-window',
    dimension: 'tokens',
    units: 10,
    period: 'month',
    timezone: 'Europe/Berlin',
  }

  test('lets twice the limit through around the end of a minute, as real ones do', () => {
    const at = Date.UTC(2026, 0, 1, 0, 0, 59, 999)
    const steps: Step[] = [
      [0, 10, 'admitted'],
      [0.5, 1, 'rejected', 0.5],
      [1, 10, 'admitted'],
      [2, 1, 'rejected', 59_999],
    ]
    expect(outcomes({ limits: [minute] }, steps, at)).toEqual(steps)
  })
  test('a day ends at midnight of its time zone', () => {
    const at = Date.UTC(2026, 6, 2, 6, 59, 59) // 23:59:59 in Los Angeles
    const steps: Step[] = [
      [0, 10, 'admitted'],
      [999, 1, 'rejected', 1],
      [1_000, 10, 'admitted'],
    ]
    expect(outcomes({ limits: [pacificDay] }, steps, at)).toEqual(steps)
  })
  test('a day in which the clocks are put back has 25 hours', () => {
    const at = Date.UTC(2026, 10, 1, 7) // midnight in Los Angeles, summer time's last day
    const steps: Step[] = [
      [0, 10, 'admitted'],
      [1, 1, 'rejected', 25 * 3_600_000 - 1],
    ]
    expect(outcomes({ limits: [pacificDay] }, steps, at)).toEqual(steps)
  })
  test('a month ends on the first of the next one', () => {
    const at = Date.UTC(2026, 0, 31, 22, 59, 59) // 23:59:59 in Berlin
    const steps: Step[] = [
      [0, 10, 'admitted'],
      [0, 1, 'rejected', 1_000],
      [1_000, 10, 'admitted'],
    ]
    expect(outcomes({ limits: [month] }, steps, at)).toEqual(steps)
  })
})

describe('concurrency', () => {
  const slots = { type: 'concurrency', dimension: 'calls', slots: 2 }

  test('a slot is free when its call has ended, once', () => {
    const { call } = stand({ limits: [slots] })
    const first = call(0, {})
    expect(call(1, {}).kind).toBe('admitted')
    expect(call(2, {}).kind).toBe('rejected')
    if (first.kind !== 'admitted') throw new Error('the first call was rejected')
    first.end({})
    first.end({})
    expect(call(3, {}).kind).toBe('admitted')
    expect(call(4, {}).kind).toBe('rejected')
  })
  test('no time is told, because the end of a call cannot be foreseen', () => {
    const { call } = stand({ limits: [{ ...slots, slots: 1 }] })
    call(0, {})
    expect(call(1, {})).toMatchObject({ kind: 'rejected', retryAfterMs: null })
  })
})

describe('several limits', () => {
  const requests = { type: 'sliding-window', dimension: 'requests', units: 2, windowMs: 10_000 }

  test('D1: a call that one limit refuses takes nothing of the others', () => {
    const { call } = stand({ limits: [bucket, requests] })
    call(0, { requests: 1, tokens: 10 })
    call(0, { requests: 1, tokens: 10 })
    const third = call(0, { requests: 1, tokens: 10 })
    expect(third).toMatchObject({ kind: 'rejected', retryAfterMs: 10_000 })
    expect(third.limits.map(({ remaining }) => remaining)).toEqual([80, 0])
  })
  test('the first limit that does not fit is named, and Retry-After covers all of them', () => {
    const { call, entries } = stand({ limits: [bucket, requests] })
    call(0, { requests: 2, tokens: 100 })
    expect(call(0, { requests: 1, tokens: 20 })).toMatchObject({
      retryAfterMs: 10_000,
      limit: { rule: bucket },
    })
    expect(entries().at(-1)).toMatchObject({ decision: 'rejected', limit: 0, remaining: [0, 0] })
  })
  test('a limit on what a call does not cost is not asked', () => {
    const { call } = stand({ limits: [{ ...bucket, capacity: 1, refillUnits: 1, refillMs: 60_000 }] })
    expect([call(0, { tokens: 1 }).kind, call(0, { requests: 1 }).kind]).toEqual(['admitted', 'admitted'])
  })
})

describe('rejected calls', () => {
  test('D2: where they are charged, they take what is left and no more', () => {
    const { call } = stand({ limits: [bucket], chargeRejected: true })
    call(0, { tokens: 70 })
    expect(call(0, { tokens: 50 }).kind).toBe('rejected')
    expect(call(0, { tokens: 1 }).kind).toBe('rejected')
    expect(call(100, { tokens: 1 }).kind).toBe('admitted')
  })
  test('D2: a caller that retries blindly keeps a window full of its own rejections', () => {
    const { call } = stand({ limits: [window], chargeRejected: true })
    call(0, { tokens: 90 })
    call(500, { tokens: 20 })
    expect(call(1_000, { tokens: 95 })).toMatchObject({ kind: 'rejected', retryAfterMs: 1_000 })
  })
})

describe('refunds at completion', () => {
  const refunds = { limits: [bucket], refund: 'at-completion' }

  test('D3: what was not used comes back when the call ends, and never above the capacity', () => {
    const { call } = stand(refunds)
    const verdict = call(0, { tokens: 100 })
    if (verdict.kind === 'admitted') verdict.end({ tokens: 30 })
    expect(call(0, { tokens: 71 }).kind).toBe('rejected')
    expect(call(0, { tokens: 70 }).kind).toBe('admitted')
  })
  test('D3: what was used beyond the charge is debt', () => {
    const { call } = stand(refunds)
    const verdict = call(0, { tokens: 100 })
    if (verdict.kind === 'admitted') verdict.end({ tokens: 120 })
    expect(call(2_000, { tokens: 1 })).toMatchObject({ kind: 'rejected', retryAfterMs: 100 })
  })
  test('nothing comes back where the group gives no refunds', () => {
    const { call } = stand({ limits: [bucket] })
    const verdict = call(0, { tokens: 100 })
    if (verdict.kind === 'admitted') verdict.end({ tokens: 0 })
    expect(call(0, { tokens: 1 }).kind).toBe('rejected')
  })
})

describe('another scenario', () => {
  test('groups that stay the same keep their counters, until a reset', () => {
    const { gate, call } = stand({ limits: [bucket] })
    call(0, { tokens: 100 })
    const more = [...gate.scenario.groups, { ...gate.scenario.groups[0], account: 'other' }]
    gate.load({ name: 'more', groups: more } as typeof gate.scenario)
    expect(call(0, { tokens: 1 }).kind).toBe('rejected')
    gate.reset(gate.scenario)
    expect(call(0, { tokens: 100 }).kind).toBe('admitted')
  })
})

test('the clock may stand still or go back: the log never does', () => {
  const { call, entries } = stand({ limits: [bucket] })
  call(5, { tokens: 1 })
  call(2, { tokens: 1 })
  const times = entries().map(({ atMs }) => atMs - START_MS)
  expect(times).toEqual([0, 5, 5])
})
