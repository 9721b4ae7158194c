import { describe, expect, test } from 'vitest'
import { nextWakeMs } from '../../limiter/step.ts'
import { availability, placement } from '../../limiter/view.ts'
import {
  bucket,
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

describe('waiting', () => {
  test('P1 P2 it is told its position, its ETA behind those ahead, and the limit that decides', () => {
    const state = limiter(GPT)
    run(state, reserve('r1', 0, 100), reserve('r2', 0, 30))
    expect(run(state, reserve('r3', 0, 30))).toMatchObject([
      {
        kind: 'queued',
        position: 2,
        etaMs: T0 + 36_000,
        waitingFor: { resourceId: 'gpt', limit: 0, needed: 30, available: 0, untilMs: T0 + 36_000 },
      },
    ])
    expect(run(state, reserve('r4', 0, 10, { urgency: 'urgent' }))).toMatchObject([
      { position: 1, etaMs: T0 + 6_000 },
    ])
    expect(placement(state, 'r3', T0)).toMatchObject({ position: 3, etaMs: T0 + 42_000 })
  })

  test('M2 it is granted at its deadline if it may start then, and times out otherwise', () => {
    const state = limiter(GPT)
    run(state, reserve('r1', 0, 100))
    run(
      state,
      reserve('just', 0, 50, { waitUntilMs: T0 + 30_000 }),
      reserve('late', 0, 10, { waitUntilMs: T0 + 30_000 }),
    )
    const effects = run(state, tick(30_000))
    expect(told(effects)).toEqual(['lease-expired r1', 'granted just', 'timed-out late'])
    expect(effects[2]).toMatchObject({ waitedFor: { resourceId: 'gpt', limit: 0 } })
  })

  test('M2 a deadline that passed while nobody looked is not granted after it', () => {
    const state = limiter(GPT)
    run(state, reserve('r1', 0, 100), reserve('late', 0, 50, { waitUntilMs: T0 + 30_000 }))
    expect(told(run(state, tick(60_000)))).toEqual(['lease-expired r1', 'timed-out late'])
  })

  test('the wait is bounded by the shortest maxWaitMs of its resources, from when it was enqueued', () => {
    const state = limiter(resource('gpt', [slots(1)], { maxWaitMs: 20_000 }))
    run(state, reserve('r1', 0, 1), reserve('r2', 5_000, 1, { enqueuedAtMs: T0 + 2_000 }))
    expect(nextWakeMs(state)).toBe(T0 + 22_000)
    expect(told(run(state, tick(22_000)))).toEqual(['timed-out r2'])
    expect(told(run(state, reserve('r3', 22_500, 1, { enqueuedAtMs: T0 + 2_500 })))).toEqual(['rejected r3'])
  })

  test('one more than maxQueue is refused as queue-full, and what fits at once is not', () => {
    const state = limiter(resource('gpt', [bucket(100, 100, 60_000)], { maxQueue: 2 }))
    run(state, reserve('r0', 0, 100), reserve('r1', 0, 60), reserve('r2', 0, 60))
    expect(run(state, reserve('r3', 0, 60))).toMatchObject([
      { rejection: { reason: 'queue-full', resourceId: 'gpt', size: 2, retryAfterMs: 36_000 } },
    ])
    expect(told(run(state, { kind: 'cancel', atMs: T0, id: 'r1' }))).toEqual(['cancelled r1'])
    expect(told(run(state, reserve('r3', 0, 60)))).toEqual(['queued r3'])
  })
})

describe('order over resources', () => {
  const of = (id: string, units = 1) => ({ demand: [[id, units] as const] })

  test('D1 J2 a head that waits for one resource holds up nobody who wants another', () => {
    const state = limiter(resource('a', [slots(1)]), resource('b', [slots(1)]))
    run(state, reserve('r1', 0, 0, of('a')), reserve('r2', 0, 0, { ...of('a'), urgency: 'urgent' }))
    expect(told(run(state, reserve('r3', 0, 0, { ...of('b'), urgency: 'low' })))).toEqual(['granted r3'])
  })

  test('J2 D2 a small one does not overtake a big one whose start it would move', () => {
    const state = limiter({ ...GPT, guaranteedShare: 0 })
    run(state, reserve('r0', 0, 100), reserve('big', 0, 80))
    expect(told(run(state, reserve('small', 6_000, 5, { clientId: 'other', urgency: 'low' })))).toEqual([
      'queued small',
    ])
    expect(told(run(state, tick(48_000)))).toEqual(['lease-expired r0', 'granted big'])
    expect(told(run(state, tick(51_000)))).toEqual(['granted small'])
  })

  test('J2 a small one passes where the start of the big one stays where it is', () => {
    // The big one waits for b until its window is free at 60 s; by then a has refilled.
    const state = limiter(resource('a', [bucket(100, 100, 60_000)]), resource('b', [window(10, 60_000)]))
    run(state, reserve('r0', 0, 0, of('b', 10)))
    run(state, reserve('big', 0, 0, { demand: [['a', 100] as const, ['b', 10] as const] }))
    expect(told(run(state, tryReserve('fill', 0, 0, of('a', 100))))).toEqual(['granted fill'])
    expect(told(run(state, tryReserve('more', 30_000, 0, of('a', 1))))).toContain('rejected more')
    expect(told(run(state, tick(60_000)))).toContain('granted big')
  })

  test('D3 who holds its slot for less long may pass where one before it may not', () => {
    const state = limiter(resource('gpt', [slots(3, 'unit')], { guaranteedShare: 0 }))
    run(
      state,
      reserve('r0', 0, 1, { leaseMs: 10_000 }),
      reserve('all', 0, 3, { urgency: 'urgent' }),
      reserve('long', 0, 1, { urgency: 'high', leaseMs: 20_000 }),
    )
    const short = reserve('short', 0, 1, { urgency: 'low', leaseMs: 5_000 })
    expect(told(run(state, short))).toEqual(['granted short'])
  })

  test('K1 a client at its cap holds up nobody, and goes on when it may', () => {
    const state = limiter(resource('gpt', [slots(5)]))
    const capped = { clientId: 'capped', maxConcurrent: 1, urgency: 'urgent' as const }
    run(state, reserve('c1', 0, 1, capped))
    expect(run(state, reserve('c2', 0, 1, capped))).toMatchObject([
      {
        kind: 'queued',
        waitingFor: { resourceId: 'client:capped', limit: 'maxConcurrent', needed: 1, available: 0 },
      },
    ])
    expect(run(state, tryReserve('c3', 0, 1, capped))).toMatchObject([
      {
        rejection: {
          reason: 'insufficient',
          blocking: { resourceId: 'client:capped', limit: 'maxConcurrent' },
        },
      },
    ])
    expect(run(state, reserve('other', 0, 1, { urgency: 'low' }))).toMatchObject([{ kind: 'granted' }])
    expect(told(run(state, settle('c1', 10)))).toEqual(['settled c1', 'granted c2'])
  })

  test('K1 D1 one that reaches its cap after it was found blocked holds up nobody any more', () => {
    const state = limiter(
      resource('a', [bucket(10, 10, 60_000)], { refund: 'none' }),
      resource('b', [slots(1)]),
    )
    run(
      state,
      reserve('a0', 0, 0, { ...of('a', 5), clientId: 'x' }),
      reserve('b0', 0, 0, { ...of('b'), clientId: 'x' }),
    )
    const capped = { clientId: 'capped', tier: 'enterprise', maxConcurrent: 1 } as const
    run(state, reserve('big', 1, 0, { ...of('a', 10), ...capped }))
    run(state, reserve('next', 2, 0, { ...of('b'), ...capped, urgency: 'low' }))
    run(state, reserve('small', 3, 0, { ...of('a', 5), clientId: 'y' }))
    expect(told(run(state, { kind: 'settle', atMs: T0 + 4, id: 'b0', actual: null }))).toEqual([
      'settled b0',
      'granted next',
      'granted small',
    ])
  })

  test('X3 a boost changes who goes next', () => {
    const state = limiter(resource('gpt', [slots(1)]))
    run(state, reserve('r0', 0, 1), reserve('r1', 1, 1), reserve('r2', 2, 1))
    expect(run(state, { kind: 'boost', atMs: T0 + 3, id: 'r2', points: 5 })).toEqual([])
    expect(placement(state, 'r2', T0 + 3)).toMatchObject({
      position: 1,
      priority: { score: 39, tier: 20, urgency: 10, fairness: 4 },
    })
    expect(grantedIds(run(state, settle('r0', 4)))).toEqual(['r2'])
    expect(run(state, { kind: 'boost', atMs: T0 + 5, id: 'r2', points: 5 })).toMatchObject([
      { kind: 'ignored', operation: 'boost', state: 'granted' },
    ])
  })
})

describe('closed and paused', () => {
  test('a closed resource grants nothing before it opens, and tells why', () => {
    const state = limiter(GPT)
    run(state, { kind: 'throttle', atMs: T0, resourceId: 'gpt', untilMs: T0 + 9_000 })
    run(state, { kind: 'throttle', atMs: T0, resourceId: 'gpt', untilMs: T0 + 3_000 })
    expect(run(state, reserve('r1', 1, 10))).toMatchObject([
      {
        kind: 'queued',
        etaMs: T0 + 9_000,
        waitingFor: { resourceId: 'gpt', limit: 'closed', untilMs: T0 + 9_000 },
      },
    ])
    expect(availability(state, T0 + 1)).toMatchObject([{ available: 0, closedUntilMs: T0 + 9_000 }])
    expect(nextWakeMs(state)).toBe(T0 + 9_000)
    expect(told(run(state, tick(9_000)))).toEqual(['granted r1'])
    expect(availability(state, T0 + 9_000)).toMatchObject([{ available: 90, closedUntilMs: null }])
  })

  test('paused, it grants nothing; what runs goes on and settles; resumed, it goes on in order', () => {
    const state = limiter(GPT)
    run(state, reserve('r1', 0, 10))
    expect(run(state, { kind: 'pause', atMs: T0, paused: true })).toEqual([
      { kind: 'paused', paused: true, atMs: T0 },
    ])
    expect(run(state, reserve('r2', 0, 10))).toMatchObject([
      { kind: 'queued', etaMs: null, waitingFor: { limit: 'paused', untilMs: null } },
    ])
    expect(told(run(state, tryReserve('r3', 0, 10)))).toEqual(['rejected r3'])
    expect(told(run(state, settle('r1', 5)))).toEqual(['settled r1'])
    expect(told(run(state, { kind: 'pause', atMs: T0 + 9, paused: false }))).toEqual(['granted r2'])
  })
})

test('G1 inside a lane it is first come, first served by age, whenever each arrived', () => {
  const state = limiter(resource('gpt', [slots(1)]))
  run(state, reserve('r0', 0, 1))
  const aged = (id: string, ageMs: number) => reserve(id, 10, 1, { enqueuedAtMs: T0 + 10 - ageMs })
  run(state, aged('young', 1), aged('old', 9), aged('middle', 5), aged('twin', 5))
  const order = ['r0', 'old', 'middle', 'twin'].map((id) => grantedIds(run(state, settle(id, 20)))[0])
  expect(order).toEqual(['old', 'middle', 'twin', 'young'])
})

describe('adopt', () => {
  const adopt = (id: string, units: number, leaseMs: number | null) =>
    ({
      kind: 'adopt',
      atMs: T0,
      id,
      clientId: 'acme',
      demand: [['gpt', units]],
      expiresAtMs: leaseMs === null ? null : T0 + leaseMs,
    }) as const

  test('AD1 it charges as the grant did, whether or not it fits, and its lease runs on', () => {
    const state = limiter(resource('gpt', [window(100, 60_000), slots(1)]))
    expect(run(state, adopt('a', 80, 5_000), adopt('b', 80, 9_000), adopt('c', 10, null))).toEqual([])
    expect(availability(state, T0)).toMatchObject([{ available: -70, inFlight: 2 }])
    expect(told(run(state, tick(5_000)))).toEqual(['lease-expired a'])
    expect(told(run(state, settle('b', 6_000, 0)))).toEqual(['settled b'])
    expect(availability(state, T0 + 6_000)).toMatchObject([{ available: 10, inFlight: 0 }])
  })

  test('AD2 an id that is known stays as it is', () => {
    const state = limiter(GPT)
    run(state, reserve('r1', 0, 30), adopt('r1', 30, 9_000), adopt('c', 10, null), adopt('c', 10, null))
    expect(availability(state, T0)).toMatchObject([{ available: 60, inFlight: 1 }])
    expect(told(run(state, reserve('c', 1, 10)))).toEqual(['settled c'])
  })
})
