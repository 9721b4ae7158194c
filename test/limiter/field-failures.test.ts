// Cases from the issue trackers and tests of others that concern flow. Named by their origin; those that concern money,
// and where every other case is, are in test/ledger/field-failures.test.ts.

import { expect, test } from 'vitest'
import type { Limit } from '../../domain/limit.ts'
import type { Demand } from '../../domain/resource.ts'
import type { Effect } from '../../limiter/effect.ts'
import type { LimiterEvent } from '../../limiter/event.ts'
import { bucket, limiter, reserve, resource, run, slots, T0, tryReserve, window } from './fixture.ts'

const MINUTE_MS = 60_000
const perMinute = (units: number) => bucket(units, units, MINUTE_MS)
const calls = (units: number): Limit => ({ ...window(units, MINUTE_MS), per: 'reservation' }) as Limit

/** `hold`: granted now or never. What it was answered: `granted`, why not and after how long, or what is left. */
type Call = readonly [what: 'hold' | 'settle', id: string, atMs: number, units: number, want: string]

type Case = { readonly limits: readonly Limit[]; readonly calls: readonly Call[] }

const CASES: Readonly<Record<string, Case>> = {
  '[SM] 60 a minute, emptied: 30 fit after 30 s, 100 never': {
    limits: [perMinute(60)],
    calls: [
      ['hold', 'a', 0, 60, 'granted'],
      ['hold', 'b', 0, 30, 'insufficient 30000'],
      ['hold', 'c', 0, 100, 'impossible'],
      ['hold', 'd', 30_000, 30, 'granted'],
    ],
  },
  '[SM] held 50 of 100, used 110: the debt is paid before anything else is granted': {
    limits: [perMinute(100)],
    calls: [
      ['hold', 'a', 0, 50, 'granted'],
      ['settle', 'a', 0, 110, 'left -10'],
      ['hold', 'b', 0, 1, 'insufficient 6600'],
      ['hold', 'c', 6_599, 1, 'insufficient 1'],
      ['hold', 'd', 6_600, 1, 'granted'],
    ],
  },
  '[SM] the same id holds 60 once': {
    limits: [perMinute(100)],
    calls: [
      ['hold', 'a', 0, 60, 'granted'],
      ['hold', 'a', 0, 60, 'granted'],
      ['hold', 'b', 0, 40, 'granted'],
      ['settle', 'a', 0, 60, 'left 0'],
      ['hold', 'c', 0, 1, 'insufficient 600'],
    ],
  },
  '[SM] idle time does not erase what is settled after it': {
    limits: [perMinute(6_000)],
    calls: [
      ['hold', 'a', 0, 2, 'granted'],
      ['settle', 'a', 600, 502, 'left 5500'],
      ['hold', 'b', 600, 5_530, 'insufficient 300'],
    ],
  },
  '[SM e2e] 6 a minute: estimated 2, used 5, the second waits for its 2': {
    limits: [perMinute(6)],
    calls: [
      ['hold', 'a', 0, 2, 'granted'],
      ['settle', 'a', 0, 5, 'left 1'],
      ['hold', 'b', 0, 2, 'insufficient 10000'],
    ],
  },
  '[LL toctou, #18730] five of 40 against 100 a minute: two pass': {
    limits: [window(100, MINUTE_MS)],
    calls: [
      ['hold', 'a', 0, 40, 'granted'],
      ['hold', 'b', 0, 40, 'granted'],
      ['hold', 'c', 0, 40, 'insufficient 60000'],
      ['hold', 'd', 0, 40, 'insufficient 60000'],
      ['hold', 'e', 0, 40, 'insufficient 60000'],
    ],
  },
  '[LL #39309, RF #280] a call refused for concurrency eats no call of the minute': {
    limits: [calls(2), slots(1)],
    calls: [
      ['hold', 'a', 0, 1, 'granted'],
      ['hold', 'b', 0, 1, 'insufficient 30000'],
      ['settle', 'a', 0, 1, 'left 1'],
      ['hold', 'c', 0, 1, 'granted'],
    ],
  },
  '[LL #24677] the boundary of a window carries nothing over': {
    limits: [window(186, MINUTE_MS)],
    calls: [
      ['hold', 'a', 0, 186, 'granted'],
      ['hold', 'b', 60_000, 186, 'granted'],
    ],
  },
  '[LL #29191] what nobody declared is never refused for being above a small limit': {
    limits: [perMinute(100)],
    calls: [['hold', 'a', 0, 100, 'granted']],
  },
}

function answerOf(effects: readonly Effect[], to?: string): string {
  const [effect] = effects.filter((one) => to === undefined || ('id' in one && one.id === to))
  switch (effect?.kind) {
    case 'rejected':
      return 'retryAfterMs' in effect.rejection
        ? `${effect.rejection.reason} ${effect.rejection.retryAfterMs}`
        : effect.rejection.reason
    case 'settled':
      return `left ${effect.left['gpt']}`
    default:
      return effect?.kind ?? 'nothing'
  }
}

test.for(Object.entries(CASES))('%s', ([, { limits, calls }]) => {
  const state = limiter(resource('gpt', limits))
  for (const [what, id, atMs, units, want] of calls) {
    const actual: Demand = [['gpt', units]]
    const event: LimiterEvent =
      what === 'settle' ? { kind: 'settle', atMs: T0 + atMs, id, actual } : tryReserve(id, atMs, units)
    expect([id, answerOf(run(state, event), id)]).toEqual([id, want])
  }
})

test('[SM bucket] 600 tokens and 10 calls a minute: after 100 tokens, 500 and 9 are left', () => {
  const state = limiter(resource('tokens', [perMinute(600)]), resource('calls', [perMinute(10)]))
  const both = (id: string, tokens: number) =>
    tryReserve(id, 0, 0, {
      demand: [
        ['calls', 1],
        ['tokens', tokens],
      ],
    })
  expect(answerOf(run(state, both('a', 100)))).toBe('granted')
  expect(answerOf(run(state, tryReserve('b', 0, 0, { demand: [['tokens', 501]] })))).toContain('insufficient')
  expect(answerOf(run(state, tryReserve('c', 0, 0, { demand: [['tokens', 500]] })))).toBe('granted')
  expect(answerOf(run(state, tryReserve('d', 0, 0, { demand: [['calls', 9]] })))).toBe('granted')
})

test('[SM, LL] all resources or none: refused by the smaller, the larger one is untouched', () => {
  const state = limiter(resource('gpt4', [perMinute(50)]), resource('tenant', [perMinute(10_000)]))
  const ask = (id: string, model: number, tenant: number) =>
    tryReserve(id, 0, 0, {
      demand: [
        ['gpt4', model],
        ['tenant', tenant],
      ],
    })
  expect(answerOf(run(state, ask('a', 40, 40)))).toBe('granted')
  expect(answerOf(run(state, ask('b', 20, 20)))).toContain('insufficient')
  const rest = (id: string, units: number) => tryReserve(id, 0, 0, { demand: [['tenant', units]] })
  expect(answerOf(run(state, rest('c', 9_960)))).toBe('granted')
})

test('[SM slots, LL] 200 for 64 slots: 64 run; 10 for 2 calls a minute: 2', () => {
  const wide = limiter(resource('gpt', [slots(64)]))
  const many = Array.from({ length: 200 }, (_, nth) => answerOf(run(wide, tryReserve(`r${nth}`, 0, 1))))
  expect(many.filter((answer) => answer === 'granted')).toHaveLength(64)
  const narrow = limiter(resource('gpt', [calls(2)]))
  const few = Array.from({ length: 10 }, (_, nth) => answerOf(run(narrow, tryReserve(`r${nth}`, 0, 1))))
  expect(few.filter((answer) => answer === 'granted')).toHaveLength(2)
})

test('[LL #20256] a call that never comes back frees its slot when its lease ends', () => {
  const state = limiter(resource('gpt', [slots(1)]))
  run(state, reserve('gone', 0, 1, { leaseMs: 5_000 }), reserve('next', 0, 1))
  const effects = run(state, { kind: 'tick', atMs: T0 + 5_000 })
  expect(effects.map((effect) => effect.kind)).toEqual(expect.arrayContaining(['lease-expired', 'granted']))
})
