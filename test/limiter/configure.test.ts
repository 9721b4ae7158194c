import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Limit } from '../../domain/limit.ts'
import type { LimiterState } from '../../limiter/state.ts'
import { availability } from '../../limiter/view.ts'
import {
  bucket,
  configuration,
  grantedIds,
  limiter,
  reserve,
  resource,
  run,
  settle,
  slots,
  T0,
  told,
  TIERS,
  window,
} from './fixture.ts'

function remaining(state: LimiterState, index = 0): number | undefined {
  return availability(state, T0)[0]?.limits[index]?.remaining
}

describe('Z2 L5 R2 changing a limit in use keeps what was used', () => {
  test.each([
    ['a window of 100 with 2 used that becomes 10 has 8 left', window(100, 60_000), window(10, 60_000), 2, 8],
    [
      'a window that becomes smaller than what was used has less than nothing',
      window(100, 60_000),
      window(10, 60_000),
      30,
      -20,
    ],
    [
      'a bucket moves by the difference of the capacities',
      bucket(100, 1, 60_000),
      bucket(150, 1, 60_000),
      30,
      120,
    ],
    ['a bucket is never above its new capacity', bucket(100, 1, 60_000), bucket(10, 1, 60_000), 0, 10],
    ['a bucket may become debt', bucket(100, 1, 60_000), bucket(10, 1, 60_000), 30, -20],
    [
      'a period keeps its count',
      { type: 'fixed-window', units: 500, period: 'day', timezone: 'UTC' },
      { type: 'fixed-window', units: 50, period: 'day', timezone: 'UTC' },
      30,
      20,
    ],
    [
      'a period of another length keeps its count',
      { type: 'fixed-window', units: 500, period: 'hour', timezone: 'UTC' },
      { type: 'fixed-window', units: 50, period: 'day', timezone: 'UTC' },
      30,
      20,
    ],
    ['slots keep their count', slots(40, 'unit'), slots(20, 'unit'), 30, -10],
    ['slots are counted anew where they count otherwise', slots(40, 'unit'), slots(20), 30, 19],
  ] as const satisfies readonly (readonly [string, Limit, Limit, number, number])[])(
    '%s',
    (_name, before, after, used, left) => {
      const state = limiter(resource('gpt', [before]))
      if (used > 0) run(state, reserve('r1', 0, used))
      run(state, configuration([resource('gpt', [after])], { version: 2 }))
      expect(remaining(state)).toBe(left)
    },
  )

  test('limits are matched by type and position among that type', () => {
    const state = limiter(resource('gpt', [window(100, 60_000), bucket(100, 1, 60_000), window(500, 90_000)]))
    run(state, reserve('r1', 0, 30))
    run(
      state,
      configuration(
        [resource('gpt', [slots(5), bucket(90, 1, 60_000), window(50, 60_000), window(60, 90_000)])],
        { version: 2 },
      ),
    )
    expect(availability(state, T0)[0]?.limits.map((limit) => limit.remaining)).toEqual([4, 60, 20, 30])
  })

  test('a limit that is new has nothing used, but slots count the leases that run', () => {
    const state = limiter(resource('gpt', [bucket(100, 1, 60_000)]))
    run(state, reserve('r1', 0, 30))
    run(state, configuration([resource('gpt', [window(100, 60_000), slots(3)])], { version: 2 }))
    expect(remaining(state)).toBe(100)
    expect(remaining(state, 1)).toBe(2)
    run(state, settle('r1', 0))
    expect(remaining(state, 1)).toBe(3)
  })

  test('the same definition again, however often, changes nothing', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 70_000 }), fc.integer({ min: 1, max: 99 }), (laterMs, units) => {
        const gpt = resource('gpt', [bucket(100, 7, 900), window(100, 60_000), slots(9)], { jitterMs: 30 })
        const [changed, left] = [limiter(gpt), limiter(gpt)]
        const life = [reserve('r1', 0, Math.min(units, 90)), { kind: 'tick', atMs: T0 + laterMs } as const]
        run(left, ...life)
        run(changed, ...life)
        for (let version = 2; version < 6; version += 1) run(changed, configuration([gpt], { version }))
        expect(availability(changed, T0 + laterMs)).toEqual(availability(left, T0 + laterMs))
      }),
    )
  })
})

test('Z1 only a newer version is applied; any other is answered with the one that decides', () => {
  const state = limiter(resource('gpt', [slots(1)]))
  run(state, configuration([resource('gpt', [slots(9)])], { version: 5 }))
  for (const version of [5, 4]) {
    expect(run(state, configuration([resource('gpt', [slots(2)])], { version }))).toEqual([
      { kind: 'configured', version: 5, atMs: T0 },
    ])
  }
  expect(remaining(state)).toBe(9)
})

test('Z2 raising a limit wakes those who wait, at once', () => {
  const state = limiter(resource('gpt', [slots(1)]))
  run(state, reserve('r1', 0, 1), reserve('r2', 0, 1), reserve('r3', 0, 1))
  expect(grantedIds(run(state, configuration([resource('gpt', [slots(2)])], { version: 2 })))).toEqual(['r2'])
})

test('Z3 what waits for what is gone, or can never fit any more, is rejected; the rest keeps its place', () => {
  const state = limiter(resource('gpt', [slots(4, 'unit')]), resource('mail', [slots(1)]))
  run(state, reserve('r0', 0, 4), reserve('m0', 0, 1, { demand: [['mail', 1]] }))
  run(state, reserve('big', 0, 3), reserve('small', 0, 1), reserve('m1', 0, 1, { demand: [['mail', 1]] }))
  run(state, reserve('poor', 0, 1, { tier: 'basic' }))
  const effects = run(
    state,
    configuration([resource('gpt', [slots(2, 'unit')])], {
      version: 2,
      resources: { gpt: resource('gpt', [slots(2, 'unit')]), mail: null },
      tiers: { ...TIERS, basic: null },
    }),
  )
  expect(effects).toMatchObject([
    { kind: 'configured', version: 2 },
    { id: 'big', rejection: { reason: 'impossible', resourceId: 'gpt', limit: 0, needed: 3, size: 2 } },
    { id: 'm1', rejection: { reason: 'unknown-resource', resourceId: 'mail' } },
    { id: 'poor', rejection: { reason: 'unknown-tier', tier: 'basic' } },
  ])
  expect(told(run(state, settle('m0', 1), settle('r0', 1)))).toEqual([
    'settled m0',
    'settled r0',
    'granted small',
  ])
})

test('Z3 another tier and another cap of a client count for those that wait already', () => {
  const state = limiter(resource('gpt', [slots(1)]))
  run(
    state,
    reserve('r0', 0, 1),
    reserve('a', 1, 1, { clientId: 'a' }),
    reserve('b', 2, 1, { clientId: 'b' }),
  )
  run(state, configuration([], { version: 2, clients: { b: { tier: 'premium', maxConcurrent: null } } }))
  expect(grantedIds(run(state, settle('r0', 10)))).toEqual(['b'])
  run(state, reserve('a2', 11, 1, { clientId: 'a' }))
  run(state, configuration([], { version: 3, clients: { a: { tier: 'standard', maxConcurrent: 0 } } }))
  expect(grantedIds(run(state, settle('b', 12)))).toEqual([])
  run(state, configuration([], { version: 4, clients: { a: { tier: 'standard', maxConcurrent: 1 } } }))
  expect([...state.reservations.values()].map(({ id, kind }) => `${kind} ${id}`)).toEqual([
    'granted a',
    'waiting a2',
  ])
})
