import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { check } from '../../simulator/checker.ts'
import type { Entry } from '../../simulator/log.ts'
import { scenarioSchema } from '../../simulator/scenario.ts'
import { stand } from './stand.ts'

const bucket = { type: 'token-bucket', dimension: 'tokens', capacity: 100, refillUnits: 10, refillMs: 1_000 }
const window = { type: 'sliding-window', dimension: 'tokens', units: 100, windowMs: 1_000 }
const minute = { type: 'fixed-window', dimension: 'tokens', units: 100, period: 'minute' }
const pacificDay = { ...minute, period: 'day', timezone: 'America/Los_Angeles' }
const slots = { type: 'concurrency', dimension: 'calls', slots: 2 }

function scenarioWith(limits: readonly unknown[]) {
  return scenarioSchema.parse({ name: 'other', groups: [{ account: 'acme', family: 'm', limits }] })
}

describe('K1: a provider that lets too much through is caught', () => {
  test.each<[string, unknown, unknown]>([
    ['a bucket of twice the capacity', { ...bucket, capacity: 200 }, bucket],
    ['a bucket that refills 1 % too fast', { ...bucket, refillUnits: 101, refillMs: 10_000 }, bucket],
    ['a window that is too short by a millisecond', { ...window, windowMs: 999 }, window],
    ['a window that is aligned to the clock', minute, { ...window, windowMs: 60_000 }],
    ['a day in the wrong time zone', { ...minute, period: 'day' }, pacificDay],
    ['a slot too many', { ...slots, slots: 3 }, slots],
  ])('%s', (_name, enforced, promised) => {
    const { call, entries } = stand({ limits: [enforced] })
    // Greedy: everything that is let through is taken, as soon as it is.
    let atMs = 5 * 3_600_000
    for (let n = 0; n < 500; n += 1) {
      const verdict = call(atMs, { tokens: 10 })
      atMs += verdict.kind === 'rejected' ? (verdict.retryAfterMs ?? 1) : 0
    }
    expect(check(entries()).violations).toBe(0)
    expect(check(entries(), scenarioWith([promised])).violations).toBeGreaterThan(0)
  })

  test('one admission injected into an honest log', () => {
    const { call, entries } = stand({ limits: [bucket] })
    for (let n = 0; n < 50; n += 1) call(n * 100, { tokens: 7 })
    const honest = entries()
    expect(check(honest)).toMatchObject({ violations: 0, unjust: 0 })
    const place = honest.findIndex((entry) => entry.kind === 'arrival' && entry.decision === 'rejected')
    const forged = honest.with(place, { ...honest[place], decision: 'admitted', limit: null } as Entry)
    const verdict = check(forged)
    expect(verdict.violations).toBeGreaterThan(0)
    expect(verdict.findings[0]).toMatchObject({ kind: 'violation', seq: honest[place]?.seq })
  })

  test('an arrival at a group that the scenario does not have', () => {
    const { call, entries } = stand({ limits: [bucket] })
    call(0, { tokens: 1 })
    expect(check(entries(), scenarioSchema.parse({ name: 'empty', groups: [] })).violations).toBe(1)
  })
})

test('K2: a provider that rejects though there is room is caught', () => {
  const { call, entries } = stand({ limits: [{ ...bucket, capacity: 50 }] })
  call(0, { tokens: 50 })
  call(0, { tokens: 10 })
  expect(check(entries(), scenarioWith([bucket]))).toMatchObject({ violations: 0, unjust: 1 })
})

test('K3: rejections are counted per limit, and the use of a limit is what it let through of the most possible', () => {
  const { call, entries } = stand({ limits: [bucket] })
  call(0, { tokens: 100 })
  call(0, { tokens: 10 })
  call(10_000, { tokens: 80 })
  const [use] = check(entries()).uses
  expect(use).toMatchObject({ admitted: 2, rejected: 1, units: 180, peak: 100, size: 100, use: 0.9 })
})

describe('the simulator and its referee agree on any traffic', () => {
  const limit = fc.oneof(
    fc.record({
      type: fc.constant('token-bucket'),
      dimension: fc.constantFrom('tokens', 'requests'),
      capacity: fc.integer({ min: 1, max: 300 }),
      refillUnits: fc.integer({ min: 1, max: 97 }),
      refillMs: fc.integer({ min: 1, max: 3_000 }),
    }),
    fc.record({
      type: fc.constant('sliding-window'),
      dimension: fc.constantFrom('tokens', 'requests'),
      units: fc.integer({ min: 1, max: 300 }),
      windowMs: fc.integer({ min: 1, max: 5_000 }),
    }),
    fc.record({
      type: fc.constant('fixed-window'),
      dimension: fc.constantFrom('tokens', 'requests'),
      units: fc.integer({ min: 1, max: 300 }),
      period: fc.constantFrom('minute', 'hour'),
    }),
    fc.record({
      type: fc.constant('concurrency'),
      dimension: fc.constant('calls'),
      slots: fc.integer({ min: 1, max: 5 }),
    }),
  )
  const traffic = fc.array(
    fc.record({
      pauseUs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 2_000_000 })),
      tokens: fc.integer({ min: 0, max: 120 }),
      used: fc.integer({ min: 0, max: 150 }),
      holds: fc.integer({ min: 0, max: 4 }),
    }),
    { minLength: 1, maxLength: 120 },
  )
  const group = fc.record({
    chargeRejected: fc.boolean(),
    refund: fc.constantFrom('none', 'at-completion'),
    limits: fc.array(limit, { minLength: 1, maxLength: 3 }),
  })

  test('no violation and no unjust rejection, with refunds, debts and charged rejections', () => {
    fc.assert(
      fc.property(group, traffic, (group, calls) => {
        const { call, entries } = stand(group)
        const open: { endsAfter: number; end: () => void }[] = []
        let atMs = 0
        for (const [n, { pauseUs, tokens, used, holds }] of calls.entries()) {
          atMs += pauseUs / 1_000
          const verdict = call(atMs, { requests: 1, tokens })
          if (verdict.kind === 'admitted') {
            open.push({ endsAfter: n + holds, end: () => verdict.end({ tokens: used }) })
          }
          for (const each of open.filter(({ endsAfter }) => endsAfter <= n)) each.end()
        }
        const verdict = check(entries())
        expect(verdict).toMatchObject({ violations: 0, unjust: 0, findings: [], arrivals: calls.length })
        // Corrected upwards, a limit carries more than its size: that is debt.
        const isBounded = group.refund === 'none'
        const beyond = verdict.uses.filter(({ peak, size, use }) => peak > size || (use ?? 0) > 1.000_001)
        expect(isBounded ? beyond : []).toEqual([])
      }),
      { numRuns: 300 },
    )
  })
})
