// When the limiter wants to be woken, over random worlds: neither too late, nor without end.

import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { encode, restore, type LimiterSnapshot, type LimiterState } from '../../limiter/state.ts'
import { nextWakeMs, step } from '../../limiter/step.ts'
import { limiter, lives, reserve, run, T0, tick, told, tryReserve, WORLD } from './fixture.ts'
import { worlds } from './worlds.ts'
import { runs } from '../support/runs.ts'

function copyOf(state: LimiterState): LimiterState {
  const snapshot: LimiterSnapshot = JSON.parse(JSON.stringify(encode(state)))
  return restore(snapshot)
}

const anyWorld = fc.oneof(
  worlds(50),
  lives(80).map((events) => ({ resources: WORLD, events })),
)

test('D4 whoever could be granted at a time is granted at the told wake, never later', () => {
  fc.assert(
    fc.property(anyWorld, fc.integer({ min: 1, max: 999 }), ({ resources, events }, part) => {
      const state = limiter(...resources)
      for (const event of events) {
        step(state, event)
        // Where no wake is told, nothing may ever start.
        const wakeMs = nextWakeMs(state) ?? state.nowMs + 200_000
        const betweenMs = state.nowMs + Math.floor(((wakeMs - 1 - state.nowMs) * part) / 1_000)
        const probe = copyOf(state)
        for (const atMs of [betweenMs, wakeMs - 1]) {
          expect(told(step(probe, { kind: 'tick', atMs }))).toEqual([])
        }
      }
    }),
    runs(150),
  )
})

test('D8 property 16: a drain ends, and a second one at the same time finds nobody', () => {
  fc.assert(
    fc.property(anyWorld, ({ resources, events }) => {
      const state = limiter(...resources)
      for (const event of events) {
        step(state, event)
        expect(told(step(state, { kind: 'tick', atMs: state.nowMs }))).toEqual([])
        expect(nextWakeMs(state) ?? Number.POSITIVE_INFINITY).toBeGreaterThan(state.nowMs)
      }
    }),
    runs(300),
  )
})

test('D7 who was to be served next and is granted by score before holds up nobody any more', () => {
  const state = limiter(...WORLD)
  const a = (units: number) => ({
    demand: [['a', units] as const],
    tier: 'enterprise',
    urgency: 'urgent' as const,
  })
  const [c] = [{ demand: [['c', 1] as const] }]
  run(
    state,
    tryReserve('over', 0, 0, c),
    tryReserve('run', 0, 0, a(36)),
    reserve('big', 0, 0, { ...a(40), maxConcurrent: 1 }),
  )
  run(state, { kind: 'settle', atMs: T0, id: 'over', actual: [['a', 30]] }, reserve('small', 0, 0, a(5)))
  expect(told(run(state, { kind: 'tick', atMs: T0 + 900 }))).toEqual(['granted big'])
  // 0.3 units are left of the bucket.
  expect(nextWakeMs(state)).toBe(T0 + 1_572)
})

test('J2 D2 property 6: of two that let each other go first, one starts', () => {
  const state = limiter(...WORLD)
  const early = (ms: number) => ({ enqueuedAtMs: T0 - ms, leaseMs: 1_000 })
  run(state, { kind: 'throttle', atMs: T0, resourceId: 'a', untilMs: T0 + 1 })
  run(
    state,
    reserve('r0', 0, 0, {
      ...early(599_387),
      tier: 'enterprise',
      demand: [
        ['a', 2],
        ['c', 3],
      ],
    }),
  )
  run(
    state,
    reserve('r2', 0, 0, {
      ...early(599_388),
      leaseMs: 1_201,
      urgency: 'urgent',
      demand: [
        ['b', 1],
        ['c', 6],
      ],
    }),
  )
  expect(told(run(state, tick(613)))).toEqual(['granted r0'])
})

test('J2 D2 D4 who waits for a claim of its own rival holds it up no longer than its own limits do', () => {
  const state = limiter(...WORLD)
  const of = (a: number, c: number, tier = 'enterprise') => ({
    demand: [['a', a] as const, ['c', c] as const].filter(([, units]) => units > 0),
    ...{ tier, urgency: 'urgent' as const, leaseMs: 1_000 },
  })
  run(
    state,
    ...[reserve('slots', 0, 0, of(0, 7)), reserve('first', 0, 0, of(22, 2))],
    ...[tryReserve('fill', 0, 0, of(29, 0)), tryReserve('more', 0, 0, of(49, 0))],
    reserve('due', 0, 0, of(30, 1, 'premium')),
  )
  // The share of c serves "due" from 400 on, and its start on a waits for "first", for which the share of a keeps that;
  // a has enough for either, and c has room for "first" at 1,000.
  run(state, tick(863))
  expect(nextWakeMs(state)).toBe(T0 + 1_000)
  expect(told(run(state, tick(1_000)))).toContain('granted first')
})
