import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Effect } from '../../limiter/effect.ts'
import {
  decodeExperience,
  encodeExperience,
  learnHold,
  learnWait,
  noExperience,
  rememberedOf,
  stretched,
} from '../../limiter/experience.ts'
import { encode, restore, type LimiterState } from '../../limiter/state.ts'
import { nextWakeMs, step } from '../../limiter/step.ts'
import { placement } from '../../limiter/view.ts'
import { bucket, limiter, lives, reserve, resource, run, settle, slots, T0, tick, WORLD } from './fixture.ts'
import { runs } from '../support/runs.ts'

/** What an effect decides: all that is told of a wait is left out. */
function decided(effect: Effect): unknown {
  if (effect.kind === 'queued') return [effect.kind, effect.id, effect.atMs, effect.position]
  if (effect.kind === 'granted') return { ...effect, waitedFor: null }
  if (effect.kind === 'timed-out') return [effect.kind, effect.id, effect.atMs]
  return effect.kind === 'rejected' ? [effect.kind, effect.id, effect.atMs, effect.rejection.reason] : effect
}

describe('EX1 what was learned is told, never obeyed', () => {
  test('a limiter that forgets it before every event decides the same, and wakes at the same times', () => {
    fc.assert(
      fc.property(lives(), (events) => {
        const [learning, forgetful] = [limiter(...WORLD), limiter(...WORLD)]
        for (const event of events) {
          for (const account of forgetful.accounts.values()) account.experience = noExperience()
          expect(step(forgetful, event).map(decided)).toEqual(step(learning, event).map(decided))
          expect(nextWakeMs(forgetful)).toBe(nextWakeMs(learning))
        }
      }),
      runs(150),
    )
  })

  test('X4 I1 restored in the middle, it foretells the same, and goes on learning', () => {
    const whole = crowded(100)
    const restored = restore(JSON.parse(JSON.stringify(encode(whole))))
    expect(whole.accounts.get('gpt')?.experience.stretches.size).toBeGreaterThan(0)
    const later = [reserve('late', 2_001_000, 45), tick(2_020_000), tick(2_100_000)]
    expect(run(restored, ...later)).toEqual(run(whole, ...later))
    expect(encode(restored)).toEqual(encode(whole))
  })
})

/** Every 20 s two large basic reservations, of which the second waits, and small ones of enterprise that go first. */
function crowded(rounds: number): LimiterState {
  const state = limiter(resource('gpt', [bucket(50, 100, 10_000)], { guaranteedShare: 0 }))
  const ask = (id: string, atMs: number, units: number, tier: string) =>
    run(state, reserve(id, atMs, units, { clientId: tier, tier }))
  for (let second = 0; second <= rounds * 20; second += 1) {
    if (second % 20 === 0) ask(`first${second}`, second * 1_000, 45, 'basic')
    if (second % 20 === 0) ask(`low${second}`, second * 1_000, 45, 'basic')
    if (second < rounds * 20) ask(`high${second}`, second * 1_000 + 1, 5, 'enterprise')
  }
  return state
}

describe('EX2 slots come free as they usually do', () => {
  const etaOf = (effects: readonly Effect[]) =>
    effects.flatMap((effect) => (effect.kind === 'queued' ? [effect.etaMs] : []))

  test('at the end of a lease where none has ended yet, then as often as holders let them go', () => {
    const state = limiter(resource('gpt', [slots(2)]))
    const long = { leaseMs: 300_000 }
    run(state, reserve('a', 0, 1, long), reserve('b', 0, 1, long))
    expect(etaOf(run(state, reserve('c', 0, 1, long)))).toEqual([T0 + 300_000])
    run(state, settle('a', 10_000), settle('b', 10_000), reserve('d', 10_000, 1, long))
    expect(etaOf(run(state, reserve('e', 10_000, 1, long), reserve('f', 10_000, 1, long)))).toEqual([
      T0 + 15_000,
      T0 + 20_000,
    ])
  })

  test('of the last HOLDS_COUNTED leases: what was long ago is forgotten', () => {
    const experience = noExperience()
    for (let nth = 0; nth < 500; nth += 1) learnHold(experience, 60_000)
    for (let nth = 0; nth < 1_000; nth += 1) learnHold(experience, 2_000)
    expect(experience.heldMs / experience.holds).toBeGreaterThan(1_900)
    expect(experience.heldMs / experience.holds).toBeLessThan(2_100)
  })

  test('never after the leases have ended', () => {
    const state = limiter(resource('gpt', [slots(1)]))
    run(state, reserve('a', 0, 1, { leaseMs: 300_000 }), settle('a', 300_000))
    run(state, reserve('b', 300_000, 1, { leaseMs: 5_000 }))
    expect(etaOf(run(state, reserve('c', 300_000, 1)))).toEqual([T0 + 305_000])
  })
})

describe('EX3 a stretch follows a quantile of what was left out', () => {
  const cases: Readonly<
    Record<string, { readonly ratios: readonly number[]; readonly told: readonly [number, number] }>
  > = {
    'always three times as long': { ratios: [3], told: [2.7, 3.3] },
    'always as forecast': { ratios: [1.001, 0.999], told: [0.85, 1.1] },
    'always a third': { ratios: [1 / 3], told: [0.3, 0.37] },
    'from once to ten times, evenly: four in ten are shorter than told': {
      ratios: [1, 7, 3, 9, 5, 2, 10, 4, 8, 6],
      told: [3.4, 5.6],
    },
  }
  test.each(Object.entries(cases))('%s', (_, { ratios, told: [least, most] }) => {
    const experience = noExperience()
    const code = rememberedOf(9_000)
    for (let nth = 0; nth < 2_000; nth += 1) {
      const ratio = ratios[nth % ratios.length] ?? 1
      learnWait(experience, { code, points: 20, waitedMs: Math.round(9_000 * ratio) })
    }
    expect(stretched(experience, 20, 9_000) / 9_000).toBeGreaterThan(least)
    expect(stretched(experience, 20, 9_000) / 9_000).toBeLessThan(most)
    expect(stretched(experience, 60, 9_000)).toBe(9_000)
    expect(stretched(experience, 20, 90_000)).toBe(90_000)
  })

  test('P3 those who wait with few points are foretold what others made of such forecasts', () => {
    const state = crowded(100)
    const [fresh, learned] = [restore({ ...encode(state), accounts: plain(state) }), state]
    const id = 'low2000'
    const startOf = (of: LimiterState) => placement(of, id, of.nowMs).etaMs ?? NaN
    expect(placement(learned, id, state.nowMs).position).toBe(placement(fresh, id, state.nowMs).position)
    expect(startOf(learned) - state.nowMs).toBeGreaterThan(1.2 * (startOf(fresh) - state.nowMs))
  })
})

/** Without what was learned. */
function plain(state: LimiterState) {
  return encode(state).accounts.map(
    ([body, closedUntilMs, kept, share]) => [body, closedUntilMs, kept, share] as const,
  )
}

test('EX4 whatever happens, as many stretches as cells, each within its bounds, and the plain form is the same', () => {
  const waits = fc.record({
    waitMs: fc.integer({ min: -1_000, max: 2 ** 40 }),
    points: fc.integer({ min: -50, max: 200 }),
    waitedMs: fc.integer({ min: 0, max: 2 ** 33 }),
  })
  fc.assert(
    fc.property(fc.array(waits, { maxLength: 600 }), (many) => {
      const experience = noExperience()
      for (const { waitMs, points, waitedMs } of many) {
        const code = rememberedOf(waitMs)
        expect(code).toBeGreaterThanOrEqual(0)
        expect(code).toBeLessThanOrEqual(96)
        learnWait(experience, { code, points, waitedMs })
        const told = stretched(experience, points, waitMs)
        expect(Number.isSafeInteger(told)).toBe(true)
        if (waitMs > 16) expect(told / waitMs).toBeGreaterThanOrEqual(0.09)
        if (waitMs > 16) expect(told / waitMs).toBeLessThanOrEqual(64)
      }
      expect(experience.stretches.size).toBeLessThanOrEqual(11 * 24)
      const tuple = encodeExperience(experience)
      if (tuple !== null) expect(encodeExperience(decodeExperience(tuple))).toEqual(tuple)
    }),
  )
})
