// The simulator and its referee on any traffic: two implementations of every limit, which must not differ.

import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { check } from '../../simulator/checker.ts'
import { limitSchema, type LimitRule } from '../../simulator/limit-rule.ts'
import type { Entry } from '../../simulator/log.ts'
import { stand, START_MS } from './stand.ts'
import { runs } from '../support/runs.ts'

const dimension = fc.constantFrom('tokens', 'requests')
const units = fc.integer({ min: 1, max: 300 })
const windowMs = fc.integer({ min: 1, max: 5_000 })
const phaseMs = fc.integer({ min: 0, max: 5_000 })
const type = <T extends LimitRule['type']>(name: T) => fc.constant(name)

const LIMITS = {
  'token-bucket': fc.record({
    type: type('token-bucket'),
    dimension,
    capacity: units,
    refillUnits: fc.integer({ min: 1, max: 97 }),
    refillMs: fc.integer({ min: 1, max: 3_000 }),
  }),
  'sliding-window': fc.record({ type: type('sliding-window'), dimension, units, windowMs }),
  'sliding-counter': fc.record({ type: type('sliding-counter'), dimension, units, windowMs, phaseMs }),
  'fixed-window': fc.record({
    type: type('fixed-window'),
    dimension,
    units,
    period: fc.constantFrom('minute', 'hour'),
  }),
  'clock-window': fc.record({ type: type('clock-window'), dimension, units, windowMs, phaseMs }),
  'first-hit-window': fc.record({ type: type('first-hit-window'), dimension, units, windowMs }),
  quantised: fc
    .record({ type: type('quantised'), dimension, units, windowMs, quantumMs: windowMs, phaseMs })
    .map((rule) => ({ ...rule, quantumMs: Math.min(rule.quantumMs, rule.windowMs) })),
  concurrency: fc.record({
    type: type('concurrency'),
    dimension: fc.constant('calls'),
    slots: fc.integer({ min: 1, max: 5 }),
    release: fc.constantFrom('disconnect', 'response'),
  }),
  slew: fc.record({
    type: type('slew'),
    dimension,
    units: fc.integer({ min: 1, max: 100 }),
    windowMs: fc.integer({ min: 1, max: 1_000 }),
    growthPercent: fc.integer({ min: 0, max: 200 }),
    periodMs: windowMs,
  }),
  'spend-cap': fc.record({
    type: type('spend-cap'),
    dimension,
    units,
    untilMs: fc.integer({ min: START_MS - 1, max: START_MS + 60_000 }),
  }),
  'queue-then-expire': fc.record({
    type: type('queue-then-expire'),
    dimension,
    refillUnits: fc.integer({ min: 1, max: 97 }),
    refillMs: fc.integer({ min: 1, max: 3_000 }),
    ttlMs: windowMs,
  }),
  'hidden-adaptive': fc.record({
    type: type('hidden-adaptive'),
    dimension,
    windowMs,
    schedule: fc.tuple(units, units, fc.integer({ min: 1, max: 60_000 })).map(([before, after, afterMs]) => [
      { afterMs: 0, units: before },
      { afterMs, units: after },
    ]),
  }),
} satisfies Record<LimitRule['type'], fc.Arbitrary<unknown>>

const KINDS: [name: string, limit: fc.Arbitrary<unknown>][] = Object.entries(LIMITS)

const call = fc.record({
  pauseUs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 2_000_000 })),
  tokens: fc.integer({ min: 0, max: 120 }),
  used: fc.integer({ min: 0, max: 150 }),
  holds: fc.integer({ min: 0, max: 4 }),
  leaves: fc.boolean(),
})
const traffic = fc.array(call, { minLength: 1, maxLength: 120 })
const rules = { chargeRejected: fc.boolean(), refund: fc.constantFrom('none', 'at-completion', 'realtime') }

type Group = {
  readonly refund: string
  readonly chargeRejected: boolean
  readonly limits: readonly unknown[]
}
type Traffic = readonly (typeof call extends fc.Arbitrary<infer T> ? T : never)[]

/** The log of a group under this traffic; what fits tells the truth about when it does. */
function logOf(group: Group, calls: Traffic): Entry[] {
  const { call, entries } = stand(group)
  const open: { endsAfter: number; end: () => void }[] = []
  let atMs = 0
  for (const [n, { pauseUs, tokens, used, holds, leaves }] of calls.entries()) {
    atMs += pauseUs / 1_000
    const verdict = call(atMs, { requests: 1, tokens })
    if (verdict.kind === 'admitted') {
      verdict.produce({ tokens: Math.floor(used / 2) })
      const end = (): void => {
        if (leaves && verdict.leave({ tokens: used })) return
        verdict.end({ tokens: used })
      }
      open.push({ endsAfter: n + holds, end })
    }
    for (const each of open.filter(({ endsAfter }) => endsAfter <= n)) each.end()
  }
  return entries()
}

function expectAgreement(group: Group, calls: Traffic): void {
  const verdict = check(logOf(group, calls))
  const clean = { violations: 0, unjust: 0, gaps: 0, miscounts: 0, findings: [], arrivals: calls.length }
  expect(verdict).toMatchObject(clean)
  // Charged after the fact, a limit carries more than its size: that is debt. One that shrinks is over for a while.
  const isBounded = group.refund === 'none' && !JSON.stringify(group.limits).includes('hidden-adaptive')
  const beyond = verdict.uses.filter(({ peak, size, use }) => peak > size || (use ?? 0) > 1.000_001)
  expect(isBounded ? beyond : []).toEqual([])
}

describe('no violation, no unjust rejection and no miscount, with refunds, debts and charged rejections', () => {
  test.each(KINDS)('%s', (_name, limit) => {
    const group = fc.record({ ...rules, limits: fc.array(limit, { minLength: 1, maxLength: 2 }) })
    fc.assert(fc.property(group, traffic, expectAgreement), runs(100))
  })

  test('any of them together', () => {
    const limits = fc.array(fc.oneof(...Object.values(LIMITS)), { minLength: 2, maxLength: 4 })
    fc.assert(fc.property(fc.record({ ...rules, limits }), traffic, expectAgreement), runs(200))
  })
})

describe('what a provider foresees comes true', () => {
  test.each(KINDS)('%s: it fits when Retry-After is over, and not before', (_name, limit) => {
    fc.assert(
      fc.property(limit, traffic, (limit, calls) => {
        const group = { limits: [limit], refund: 'none', chargeRejected: false }
        const run = (retryMs: number | null) => {
          const { call } = stand(group)
          let atMs = 0
          for (const { pauseUs, tokens } of calls) call((atMs += pauseUs / 1_000), { requests: 1, tokens })
          const verdict = call(atMs, { requests: 1, tokens: 40 })
          if (verdict.kind === 'admitted' || verdict.retryAfterMs === null) return null
          if (retryMs === null) return verdict.retryAfterMs
          return call(atMs + retryMs, { requests: 1, tokens: 40 }).kind
        }
        const retryAfterMs = run(null)
        if (typeof retryAfterMs !== 'number') return
        expect(run(retryAfterMs)).toBe('admitted')
        if (retryAfterMs > 0.001) expect(run(retryAfterMs - 0.001)).toBe('rejected')
      }),
      runs(100),
    )
  })
})

test('every kind of limit is there, and an unknown one is none', () => {
  expect(limitSchema.safeParse({ type: 'leaky', dimension: 'tokens' }).success).toBe(false)
  for (const [name, limit] of KINDS) {
    expect(
      fc.sample(limit, 20).filter((rule) => !limitSchema.safeParse(rule).success),
      name,
    ).toEqual([])
  }
})
