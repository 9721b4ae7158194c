import { describe, expect, test } from 'vitest'
import { availability } from '../../limiter/view.ts'
import { nextWakeMs } from '../../limiter/step.ts'
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
  tick,
  told,
  tryReserve,
  window,
} from './fixture.ts'

const GPT = resource('gpt', [bucket(100, 100, 60_000)])

describe('reserve, at once', () => {
  test('V1 what fits is granted with its lease and the version that decided', () => {
    const state = limiter(GPT)
    expect(run(state, reserve('r1', 5, 60))).toEqual([
      {
        kind: 'granted',
        id: 'r1',
        atMs: T0 + 5,
        startByMs: T0 + 30_005,
        expiresAtMs: T0 + 30_005,
        demand: [['gpt', 60]],
        waitedFor: null,
        configVersion: 1,
      },
    ])
  })

  test('T2 startBy is the grant plus the largest J of its resources, within the lease', () => {
    const state = limiter(
      resource('gpt', [slots(9)], { jitterMs: 500 }),
      resource('mail', [slots(9)], { jitterMs: 2_000 }),
    )
    const both = { demand: [['gpt', 1] as const, ['mail', 1] as const] }
    expect(run(state, reserve('r1', 0, 1, both))).toMatchObject([{ startByMs: T0 + 2_000 }])
    expect(run(state, reserve('r2', 0, 1, { ...both, leaseMs: 1_000 }))).toMatchObject([
      { startByMs: T0 + 1_000 },
    ])
  })

  test.each([
    [
      'V3 an unknown resource',
      reserve('r', 0, 1, { demand: [['none', 1]] }),
      { reason: 'unknown-resource', resourceId: 'none' },
    ],
    ['V3 an unknown tier', reserve('r', 0, 1, { tier: 'gold' }), { reason: 'unknown-tier', tier: 'gold' }],
    [
      'V3 a demand that can never fit',
      reserve('r', 0, 101),
      { reason: 'impossible', resourceId: 'gpt', limit: 0, needed: 101, size: 100 },
    ],
  ])('%s is refused and leaves nothing behind', (_name, event, rejection) => {
    const state = limiter(GPT)
    expect(run(state, event)).toEqual([{ kind: 'rejected', id: 'r', atMs: T0, rejection, configVersion: 1 }])
    expect(state.reservations.size).toBe(0)
    expect(nextWakeMs(state)).toBeNull()
    expect(grantedIds(run(state, reserve('r', 0, 100)))).toEqual(['r'])
  })

  test('V4 what may not wait is told which limit, how much is there, and when to try again', () => {
    const state = limiter(GPT)
    run(state, reserve('r1', 0, 100))
    expect(run(state, tryReserve('r2', 6_000, 40))).toMatchObject([
      {
        kind: 'rejected',
        rejection: {
          reason: 'insufficient',
          blocking: { resourceId: 'gpt', limit: 0, needed: 40, available: 10, untilMs: T0 + 24_000 },
          retryAfterMs: 18_000,
        },
      },
    ])
    expect(availability(state, T0 + 6_000)).toMatchObject([{ available: 10, waiting: 0 }])
  })

  test('V4 what could not start before it gives up is rejected now, what could is queued', () => {
    const state = limiter(resource('gpt', [window(100, 60_000)], { refund: 'none' }))
    run(state, reserve('r1', 0, 100))
    expect(told(run(state, reserve('late', 0, 1, { waitUntilMs: T0 + 59_999 })))).toEqual(['rejected late'])
    expect(told(run(state, reserve('just', 0, 1, { waitUntilMs: T0 + 60_000 })))).toEqual(['queued just'])
    expect(told(run(state, tick(60_000)))).toEqual(['lease-expired r1', 'granted just'])
  })

  test('V4 where what is in flight may come back, it may wait for that', () => {
    const state = limiter(resource('gpt', [window(100, 60_000)]))
    run(state, reserve('r1', 0, 100))
    expect(told(run(state, reserve('r2', 0, 10, { waitUntilMs: T0 + 5_000 })))).toEqual(['queued r2'])
    expect(told(run(state, settle('r1', 1_000, 90)))).toEqual(['settled r1', 'granted r2'])
  })

  test('V4 one that is refused does not keep others from starting', () => {
    const state = limiter(GPT)
    run(state, reserve('r1', 0, 100), reserve('small', 0, 10))
    const effects = run(state, tryReserve('big', 6_000, 90, { tier: 'enterprise', urgency: 'urgent' }))
    expect(told(effects)).toEqual(['rejected big', 'granted small'])
  })
})

describe('reserve, again', () => {
  test('V2 a granted id is granted again with the same words, and nothing is charged', () => {
    const state = limiter(GPT)
    const first = run(state, reserve('r1', 0, 60))
    expect(run(state, reserve('r1', 900, 60))).toEqual(first)
    expect(availability(state, T0)).toMatchObject([{ available: 41, inFlight: 1 }])
  })

  test('V2 a waiting id is told its place again', () => {
    const state = limiter(GPT)
    run(state, reserve('r1', 0, 100), reserve('r2', 0, 50), reserve('r3', 0, 50))
    const again = run(state, reserve('r3', 10, 50))
    expect(again).toMatchObject([{ kind: 'queued', id: 'r3', position: 2, etaMs: T0 + 60_000 }])
    expect(availability(state, T0)).toMatchObject([{ waiting: 2 }])
  })

  test.each([
    ['settled', [settle('r1', 1)], 'settled r1'],
    ['expired', [tick(30_000)], 'lease-expired r1'],
  ])('V2 a %s id is told its ending again', (_name, events, answer) => {
    const state = limiter(GPT)
    run(state, reserve('r1', 0, 60), ...events)
    const before = availability(state, T0 + 30_000)
    expect(told(run(state, reserve('r1', 30_000, 60)))).toEqual([answer])
    expect(availability(state, T0 + 30_000)).toEqual(before)
  })

  test('V2 a cancelled and a timed-out id are told their endings again', () => {
    const state = limiter(GPT)
    run(
      state,
      reserve('r0', 0, 100),
      reserve('r1', 0, 60),
      reserve('r2', 0, 60, { waitUntilMs: T0 + 40_000 }),
    )
    run(state, { kind: 'cancel', atMs: T0 + 1, id: 'r1' })
    expect(told(run(state, reserve('r1', 2, 60)))).toEqual(['cancelled r1'])
    expect(told(run(state, tick(40_000)))).toContain('granted r2')
    const other = limiter(resource('gpt', [slots(1)]))
    run(other, reserve('r0', 0, 1, { leaseMs: 90_000 }), reserve('r2', 0, 1, { waitUntilMs: T0 + 10 }))
    expect(told(run(other, tick(10)))).toEqual(['timed-out r2'])
    expect(told(run(other, reserve('r2', 11, 1)))).toEqual(['timed-out r2'])
  })

  test('V2 X2 a cancel that came first voids the reserve', () => {
    const state = limiter(GPT)
    expect(run(state, { kind: 'cancel', atMs: T0, id: 'r1' })).toMatchObject([
      { kind: 'ignored', operation: 'cancel', state: 'unknown' },
    ])
    expect(told(run(state, reserve('r1', 1, 10)))).toEqual(['cancelled r1'])
    expect(availability(state, T0)).toMatchObject([{ available: 100, inFlight: 0 }])
  })
})

describe('several resources', () => {
  const both = (a: number, b: number) => ({ demand: [['a', a] as const, ['b', b] as const] })

  test('T1 J1 R1 with one of them short, nothing is charged on the other', () => {
    const state = limiter(resource('a', [slots(5)]), resource('b', [bucket(10, 1, 60_000)]))
    run(state, reserve('r1', 0, 0, both(1, 10)))
    expect(told(run(state, reserve('r2', 1, 0, both(1, 5))))).toEqual(['queued r2'])
    expect(availability(state, T0 + 1, 'a')).toMatchObject([{ available: 4, inFlight: 1, waiting: 1 }])
  })

  test('J3 what holds it back is the limit that lets it pass last', () => {
    const state = limiter(
      resource('a', [bucket(10, 10, 10_000)]),
      resource('b', [bucket(10, 10, 1_000), window(10, 30_000)]),
    )
    run(state, reserve('r1', 0, 0, both(10, 10)))
    expect(run(state, reserve('r2', 1, 0, both(10, 10)))).toMatchObject([
      {
        waitingFor: { resourceId: 'b', limit: 1, needed: 10, available: 0, untilMs: T0 + 30_000 },
        etaMs: T0 + 30_000,
      },
    ])
  })

  test('a demand that names a resource twice is taken as the sum', () => {
    const state = limiter(GPT)
    const twice = { demand: [['gpt', 30] as const, ['gpt', 30] as const] }
    expect(run(state, reserve('r1', 0, 0, twice))).toMatchObject([{ demand: [['gpt', 60]] }])
  })
})

test('Z1 decisions carry the version of the configuration that made them', () => {
  const state = limiter(GPT)
  run(state, configuration([GPT], { version: 7 }))
  expect(run(state, reserve('r1', 0, 10), reserve('r2', 0, 999))).toMatchObject([
    { kind: 'granted', configVersion: 7 },
    { kind: 'rejected', configVersion: 7 },
  ])
})
