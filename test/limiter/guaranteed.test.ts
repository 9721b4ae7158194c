import { describe, expect, test } from 'vitest'
import type { LimiterEvent } from '../../limiter/event.ts'
import { encode, restore, type LimiterState } from '../../limiter/state.ts'
import { step } from '../../limiter/step.ts'
import {
  boundless,
  bucket,
  grantedIds,
  limiter,
  reserve,
  resource,
  run,
  slots,
  T0,
  tick,
  tryReserve,
} from './fixture.ts'
import { HOUR, MINUTE, simulate, type Served, type Stream } from './streams.ts'

/** 1,000 units a minute. */
function pipe(guaranteedShare?: number): LimiterState {
  const share = guaranteedShare === undefined ? {} : { guaranteedShare }
  return boundless(
    resource('gpt', [bucket(1_000, 1_000, 60_000)], { maxQueue: 100_000, maxWaitMs: 1e9, ...share }),
  )
}

const FLOOD: Stream = { client: 'flood', tier: 'enterprise', urgency: 'urgent', units: 50, everyMs: 1_500 }

test('GS1 the score alone starves the lowest for ever, the guaranteed share does not', () => {
  const poor: Stream = { client: 'poor', tier: 'basic', urgency: 'low', units: 50, everyMs: 5 * MINUTE }
  const lost = simulate(pipe(0), [FLOOD, poor], 3 * HOUR).get('poor') ?? []
  const kept = simulate(pipe(), [FLOOD, poor], 3 * HOUR).get('poor') ?? []
  expect(lost.length).toBeLessThanOrEqual(2)
  expect(kept.length).toBeGreaterThanOrEqual(33)
})

describe('shares under overload, all of it guaranteed', () => {
  const tiers = ['enterprise', 'premium', 'standard', 'basic'] as const

  /** Units served by stream from a time on. */
  function shares(
    streams: readonly Stream[],
    { fromMs, forMs }: { fromMs: number; forMs: number },
  ): number[] {
    const served = simulate(pipe(10_000), streams, forMs)
    return streams.map(({ client }) =>
      (served.get(client) ?? []).filter(({ atMs }) => atMs > fromMs).reduce((sum, one) => sum + one.units, 0),
    )
  }

  function jain(values: readonly number[]): number {
    const sum = values.reduce((total, value) => total + value, 0)
    return sum ** 2 / (values.length * values.reduce((total, value) => total + value ** 2, 0))
  }

  test('GS3 tiers are served 4:3:2:1 by units, with equal arrivals (weighted Jain >= 0.999)', () => {
    const streams = tiers.map((tier, at): Stream => ({
      client: tier,
      tier,
      urgency: 'normal',
      units: 20 + 7 * at,
      everyMs: 1_000,
    }))
    const got = shares(streams, { fromMs: 2 * MINUTE, forMs: HOUR })
    expect(jain(got.map((units, at) => units / (4 - at)))).toBeGreaterThanOrEqual(0.999)
  })

  function stream(client: string, everyMs: number): Stream {
    return { client, tier: 'standard', urgency: 'normal', units: 10, everyMs }
  }

  test('vector 41 (VTC overload): of two clients at 1.5 and 3 per second, each gets half, within 1.6 %', () => {
    const [a = 0, b = 0] = shares([stream('a', 667), stream('b', 333)], { fromMs: HOUR, forMs: 3 * HOUR })
    expect(Math.abs(a - b) / (a + b)).toBeLessThanOrEqual(0.016)
  })

  test('vector 41 (VTC, eight clients at 0.4 and 0.6 per second): each gets an eighth, within 7 %', () => {
    const eight = Array.from({ length: 8 }, (_, at) => stream(`c${at}`, at % 2 === 0 ? 2_500 : 1_667))
    const got = shares(eight, { fromMs: HOUR, forMs: 2 * HOUR })
    const mean = got.reduce((sum, units) => sum + units, 0) / 8
    for (const units of got) expect(Math.abs(units - mean) / mean).toBeLessThanOrEqual(0.07)
  })

  test('vector 42 (VTC): who asks for less than its share gets all of it, and the third the rest', () => {
    // Capacity 100 requests a minute: 15, 30 and 180 asked.
    const asked = [stream('s', 4_000), stream('m', 2_000), stream('l', 333)]
    const [small, middle, large] = shares(asked, { fromMs: HOUR, forMs: 2 * HOUR })
    expect(small).toBeGreaterThanOrEqual(0.99 * 15 * 60 * 10)
    expect(middle).toBeGreaterThanOrEqual(0.99 * 30 * 60 * 10)
    expect(large).toBeGreaterThanOrEqual(0.97 * 55 * 60 * 10)
  })

  test('GS3 property 9: two that are backlogged never differ by more than a request of each (SFQ pair bound)', () => {
    const stream = (client: string, units: number): Stream => ({
      client,
      tier: 'standard',
      urgency: 'normal',
      units,
      everyMs: 500,
    })
    const served = simulate(pipe(10_000), [stream('a', 70), stream('b', 110)], 30 * MINUTE)
    const [a, b] = [served.get('a') ?? [], served.get('b') ?? []]
    const upTo = (list: readonly Served[], atMs: number): number =>
      list.filter((one) => one.atMs <= atMs && one.atMs > 5 * MINUTE).reduce((sum, one) => sum + one.units, 0)
    for (let atMs = 6 * MINUTE; atMs <= 30 * MINUTE; atMs += MINUTE) {
      expect(Math.abs(upTo(a, atMs) - upTo(b, atMs))).toBeLessThanOrEqual(2 * (70 + 110))
    }
  })
})

test('GS2 who starves goes first, over tiers and inside them; else the least tag, and of equal ones the first id', () => {
  const next = (tier: string, clientId: string, waitedMs: number) =>
    reserve(`${tier} ${clientId}`, 0, 10, { tier, clientId, enqueuedAtMs: T0 - waitedMs })
  const waiting = [next('basic', 'a', 0), next('premium', 'a', 0), next('premium', 'z', 599_999)]
  const state = limiter(resource('gpt', [bucket(10, 10, 60_000)], { guaranteedShare: 10_000 }))
  run(state, tryReserve('full', 0, 10, { clientId: 'other', tier: 'enterprise' }), ...waiting)
  const granted = [1, 2, 3].map((minute) => grantedIds(run(state, tick(minute * 60_000))))
  expect(granted).toEqual([['premium z'], ['basic a'], ['premium a']])
})

test('GS4 a tier of weight 0 has no guaranteed share', () => {
  const state = pipe(10_000)
  step(state, {
    kind: 'configure',
    atMs: T0,
    version: 2,
    resources: {},
    tiers: { basic: { points: 10, weight: 0 } },
    clients: {},
  })
  const poor: Stream = { client: 'poor', tier: 'basic', urgency: 'low', units: 50, everyMs: 5 * MINUTE }
  expect((simulate(state, [FLOOD, poor], HOUR).get('poor') ?? []).length).toBeLessThanOrEqual(1)
})

test('D5 who is due but waits for another resource does not hold up the others of the share', () => {
  const state = limiter(resource('a', [slots(1)], { guaranteedShare: 10_000 }), resource('b', [slots(1)]))
  const wants = (...ids: readonly string[]) => ({ demand: ids.map((id) => [id, 1] as const) })
  run(state, reserve('b0', 0, 0, { ...wants('b'), leaseMs: 900_000 }))
  run(state, reserve('a0', 0, 0, { ...wants('a'), clientId: 'x' }))
  run(state, reserve('both', 1, 0, { ...wants('a', 'b'), tier: 'enterprise' }))
  run(state, reserve('only', 2, 0, { ...wants('a'), clientId: 'y', leaseMs: 1_000 }))
  const effects = run(state, { kind: 'settle', atMs: T0 + 10, id: 'a0', actual: null })
  expect(effects).toMatchObject([{ kind: 'settled' }, { kind: 'granted', id: 'only' }])
})

test('X4 the shares go on through JSON in the middle of a simulation', () => {
  const streams: readonly Stream[] = [
    FLOOD,
    { client: 'p', tier: 'premium', urgency: 'low', units: 90, everyMs: 7_000 },
    { client: 'q', tier: 'basic', urgency: 'normal', units: 30, everyMs: 3_000 },
  ]
  const whole = pipe()
  simulate(whole, streams, 30 * MINUTE)
  const text = JSON.stringify(encode(whole))
  const again = restore(JSON.parse(text))
  expect(JSON.stringify(encode(again))).toBe(text)
  for (let atMs = 31 * MINUTE; atMs < 60 * MINUTE; atMs += 777) {
    const event: LimiterEvent = { kind: 'tick', atMs: T0 + atMs }
    expect(step(again, event)).toEqual(step(whole, event))
  }
})
