import { describe, expect, test } from 'vitest'
import { availability, check, placement, queues } from '../../limiter/view.ts'
import { bucket, limiter, reserve, resource, run, settle, slots, T0, tick, window } from './fixture.ts'

const GPT = resource('gpt', [bucket(100, 100, 60_000)])

describe('availability', () => {
  test('every limit tells what is configured, used, left and when it is whole again', () => {
    const state = limiter(
      resource('gpt', [
        bucket(100, 100, 60_000),
        window(80, 60_000),
        { type: 'fixed-window', units: 500, period: 'day', timezone: 'UTC' },
        slots(3),
      ]),
    )
    run(state, reserve('r1', 0, 60))
    expect(availability(state, T0 + 6_000, 'gpt')).toMatchObject([
      {
        id: 'gpt',
        unit: 'units',
        kind: 'api',
        available: 20,
        inFlight: 1,
        waiting: 0,
        closedUntilMs: null,
        limits: [
          { type: 'token-bucket', limit: 100, used: 50, remaining: 50, resetsAtMs: T0 + 36_000 },
          { type: 'sliding-window', limit: 80, used: 60, remaining: 20, resetsAtMs: T0 + 60_000 },
          { type: 'fixed-window', limit: 500, used: 60, remaining: 440, resetsAtMs: T0 + 86_400_000 },
          { type: 'concurrency', limit: 3, used: 1, remaining: 2, resetsAtMs: null },
        ],
      },
    ])
  })

  test('L1 with J, limit is as configured, and remaining and available are mirrored', () => {
    const state = limiter(
      resource('gpt', [bucket(100, 100, 60_000), window(120, 60_000)], { jitterMs: 6_000 }),
    )
    expect(availability(state, T0)).toMatchObject([
      {
        available: 90,
        limits: [
          { limit: 100, used: 0, remaining: 90 },
          { limit: 120, used: 0, remaining: 120 },
        ],
      },
    ])
    run(state, reserve('r1', 0, 90), settle('r1', 0, 90))
    expect(availability(state, T0 + 60_000)[0]?.limits[1]).toMatchObject({ remaining: 30 })
    expect(availability(state, T0 + 66_000)[0]?.limits[1]).toMatchObject({ remaining: 120 })
  })

  test('with all slots taken there is nothing, whatever the rates say', () => {
    const state = limiter(
      resource('gpt', [bucket(100, 100, 60_000), slots(1)]),
      resource('job', [slots(7, 'unit')]),
    )
    run(state, reserve('r1', 0, 1))
    expect(availability(state, T0, 'gpt')).toMatchObject([{ available: 0 }])
    expect(availability(state, T0, 'job')).toMatchObject([{ available: 7 }])
    expect(availability(state, T0, 'none')).toEqual([])
  })

  test('A2 asked about the past, it tells of now', () => {
    const state = limiter(GPT)
    run(state, reserve('r1', 0, 60), tick(6_000))
    expect(availability(state, T0 - 1_000)).toMatchObject([{ available: 50 }])
  })
})

describe('check', () => {
  const ask = { clientId: 'acme', maxConcurrent: null, urgency: 'normal', tier: 'standard' } as const

  test('what fits now, what has to wait and how long, what never fits', () => {
    const state = limiter(GPT)
    run(state, reserve('r1', 0, 60))
    expect(check(state, { ...ask, demand: [['gpt', 40]] }, T0)).toEqual({
      fitsNow: true,
      waitMs: 0,
      blocking: null,
      impossible: null,
    })
    expect(check(state, { ...ask, demand: [['gpt', 50]] }, T0)).toEqual({
      fitsNow: false,
      waitMs: 6_000,
      blocking: { resourceId: 'gpt', limit: 0, needed: 50, available: 40, untilMs: T0 + 6_000 },
      impossible: null,
    })
    expect(check(state, { ...ask, demand: [['gpt', 101]] }, T0)).toMatchObject({
      fitsNow: false,
      waitMs: null,
      impossible: { reason: 'impossible', limit: 0, needed: 101, size: 100 },
    })
    expect(check(state, { ...ask, demand: [['none', 1]] }, T0)).toMatchObject({
      impossible: { reason: 'unknown-resource' },
    })
  })

  test('those who wait ahead count, and so does the own cap', () => {
    const state = limiter(GPT)
    run(state, reserve('r1', 0, 60), reserve('r2', 0, 80))
    expect(check(state, { ...ask, demand: [['gpt', 10]] }, T0)).toMatchObject({
      fitsNow: false,
      waitMs: 30_000,
    })
    expect(check(state, { ...ask, urgency: 'urgent', demand: [['gpt', 10]] }, T0)).toMatchObject({
      fitsNow: true,
    })
    expect(check(state, { ...ask, maxConcurrent: 1, demand: [['gpt', 10]] }, T0)).toMatchObject({
      fitsNow: false,
      waitMs: null,
      blocking: { resourceId: 'client:acme', limit: 'maxConcurrent' },
    })
  })
})

test('placement tells the four parts of the score and whether it starves', () => {
  const state = limiter(resource('gpt', [slots(1)]))
  run(state, reserve('r0', 0, 1, { clientId: 'other', leaseMs: 3_000_000 }))
  run(state, reserve('r1', 0, 1, { tier: 'premium', urgency: 'high' }))
  expect(placement(state, 'r1', T0 + 599_999)).toMatchObject({
    state: 'waiting',
    position: 1,
    etaMs: T0 + 3_000_000,
    priority: { score: 61, tier: 30, urgency: 20, waiting: 1, fairness: 10, starving: false },
  })
  expect(placement(state, 'r1', T0 + 600_000)).toMatchObject({
    priority: { score: 72, waiting: 2, starving: true },
  })
  expect(placement(state, 'r0', T0)).toMatchObject({ state: 'granted', position: null })
  expect(placement(state, 'r9', T0)).toMatchObject({ state: 'unknown' })
  run(state, settle('r0', 1), settle('r1', 2))
  expect(placement(state, 'r1', T0)).toMatchObject({ state: 'ended' })
})

test('QS1 queues tell depth and ages by resource and by class of the ETA', () => {
  const state = limiter(GPT, resource('mail', [slots(1)]))
  run(state, reserve('r0', 0, 100), reserve('r1', 0, 10), reserve('r2', 2_000, 60), reserve('r3', 4_000, 80))
  expect(queues(state, T0 + 5_000)).toEqual({
    resources: {
      gpt: { depth: 3, oldestAgeMs: 5_000, averageAgeMs: 3_000 },
      mail: { depth: 0, oldestAgeMs: 0, averageAgeMs: 0 },
    },
    classes: {
      immediate: { depth: 0, oldestAgeMs: 0, averageAgeMs: 0 },
      fast: { depth: 1, oldestAgeMs: 5_000, averageAgeMs: 5_000 },
      normal: { depth: 1, oldestAgeMs: 3_000, averageAgeMs: 3_000 },
      batch: { depth: 1, oldestAgeMs: 1_000, averageAgeMs: 1_000 },
      deferred: { depth: 0, oldestAgeMs: 0, averageAgeMs: 0 },
    },
  })
})
