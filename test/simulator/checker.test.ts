import { describe, expect, test } from 'vitest'
import { check } from '../../simulator/checker.ts'
import type { Entry } from '../../simulator/log.ts'
import { scenarioSchema } from '../../simulator/scenario.ts'
import { stand, START_MS } from './stand.ts'

const bucket = { type: 'token-bucket', dimension: 'tokens', capacity: 100, refillUnits: 10, refillMs: 1_000 }
const window = { type: 'sliding-window', dimension: 'tokens', units: 100, windowMs: 1_000 }
const minute = { type: 'fixed-window', dimension: 'tokens', units: 100, period: 'minute' }
const pacificDay = { ...minute, period: 'day', timezone: 'America/Los_Angeles' }
const slots = { type: 'concurrency', dimension: 'calls', slots: 2 }

const clocked = { type: 'clock-window', dimension: 'tokens', units: 100, windowMs: 1_000 }
const quantised = {
  type: 'quantised',
  dimension: 'tokens',
  units: 600,
  windowMs: 60_000,
  quantumMs: 1_000,
}
const slew = { type: 'slew', dimension: 'tokens', units: 100, windowMs: 100, periodMs: 1_000 }
const cap = { type: 'spend-cap', dimension: 'tokens', units: 100, untilMs: START_MS + 5 * 3_600_000 + 10_000 }
const halved = {
  type: 'hidden-adaptive',
  dimension: 'tokens',
  windowMs: 1_000,
  schedule: [
    { afterMs: 0, units: 100 },
    { afterMs: 1_000, units: 50 },
  ],
}
const queue = {
  type: 'queue-then-expire',
  dimension: 'tokens',
  refillUnits: 1,
  refillMs: 1_000,
  ttlMs: 10_000,
}

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
    ['a counter that forgets the window before', { ...clocked }, { ...clocked, type: 'sliding-counter' }],
    ['a clock window of another phase', { ...clocked, phaseMs: 400 }, clocked],
    ['a minute that is not enforced second by second', { ...minute }, quantised],
    ['growth by the half more than allowed', { ...slew, growthPercent: 100 }, slew],
    ['a cap that ends a second early', { ...cap, untilMs: cap.untilMs - 1_000 }, cap],
    ['a limit that was not halved', { ...halved, schedule: [{ afterMs: 0, units: 100 }] }, halved],
    ['a queue that sends twice as fast', { ...queue, refillUnits: 2 }, queue],
    ['a queue that waits too patiently', { ...queue, ttlMs: 20_000 }, queue],
  ])('%s', (_name, enforced, promised) => {
    const { call, entries } = stand({ limits: [enforced] })
    // Greedy: everything that is let through is taken, as soon as it is.
    let atMs = 5 * 3_600_000
    for (let n = 0; n < 500; n += 1) {
      const verdict = call(atMs, { tokens: 10 })
      atMs += verdict.kind === 'rejected' ? (verdict.retryAfterMs ?? 100) : 0
    }
    expect(check(entries()).violations).toBe(0)
    expect(check(entries(), scenarioWith([promised])).violations).toBeGreaterThan(0)
  })

  test('a window from the first call lets twice the limit through around its end, where a log is promised', () => {
    const { call, entries } = stand({ limits: [{ ...window, type: 'first-hit-window' }] })
    for (const [atMs, tokens] of [
      [0, 1],
      [999, 99],
      [1_000, 100],
    ] as const) {
      expect(call(atMs, { tokens }).kind).toBe('admitted')
    }
    expect(check(entries(), scenarioWith([window])).violations).toBe(1)
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

describe('K4 and K5: a log that was changed is caught', () => {
  const calls = (): Entry[] => {
    const { call, entries } = stand({ limits: [bucket, window, clocked] })
    for (let n = 0; n < 60; n += 1) call(n * 70, { tokens: 7 })
    return entries()
  }
  const renumbered = (entries: readonly Entry[]): Entry[] =>
    entries.map((entry, index) => ({ ...entry, seq: index + 1 }))

  test('as it was written it is clean', () => {
    expect(check(calls())).toMatchObject({ violations: 0, unjust: 0, gaps: 0, miscounts: 0 })
  })
  test('K4: any line taken out of the middle, or written twice, is a gap', () => {
    const honest = calls()
    for (let at = 1; at < honest.length - 1; at += 1) {
      expect(check(honest.toSpliced(at, 1)).gaps, `without line ${at}`).toBe(1)
      expect(check(honest.toSpliced(at, 0, ...honest.slice(at, at + 1))).gaps, `line ${at} twice`).toBe(1)
    }
  })
  test('K4: a clock that goes back is told', () => {
    const honest = calls()
    const late = honest.with(30, { ...honest[30], atMs: START_MS } as Entry)
    expect(check(late).gaps).toBe(1)
  })
  test('K5: renumbering hides neither, where the line was an admission that still counted', () => {
    const honest = calls()
    for (const [at, entry] of honest.entries()) {
      if (entry.kind !== 'arrival' || entry.decision !== 'admitted' || at === honest.length - 1) continue
      expect(check(renumbered(honest.toSpliced(at, 1))).miscounts, `without ${at}`).toBeGreaterThan(0)
      const doubled = check(renumbered(honest.toSpliced(at, 0, entry)))
      expect(doubled.miscounts, `${at} twice`).toBeGreaterThan(0)
    }
  })
  test('a rejection without cause is on purpose, and counted by itself', () => {
    const { gate, entries } = stand({ limits: [bucket] })
    const [group] = gate.scenario.groups
    if (group === undefined) throw new Error('no group')
    gate.refuse({ group, endpoint: '/test', cost: { tokens: 1 }, fault: 'causeless-429' })
    expect(check(entries())).toMatchObject({ rejected: 1, causeless: 1, unjust: 0 })
  })
})

test('K3: rejections are counted per limit, and the use of a limit is what it let through of the most possible', () => {
  const { call, entries } = stand({ limits: [bucket] })
  call(0, { tokens: 100 })
  call(0, { tokens: 10 })
  call(10_000, { tokens: 80 })
  const [use] = check(entries()).uses
  expect(use).toMatchObject({ admitted: 2, rejected: 1, units: 180, peak: 100, size: 100, use: 0.9 })
})
