import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Urgency } from '../../domain/priority.ts'
import type { LimiterEvent } from '../../limiter/event.ts'
import { encode, restore, type LimiterState } from '../../limiter/state.ts'
import { nextWakeMs, step } from '../../limiter/step.ts'
import { bucket, limiter, reserve, resource, run, settle, slots, T0, TIERS } from './fixture.ts'

type Stream = {
  readonly client: string
  readonly tier: keyof typeof TIERS
  readonly urgency: Urgency
  readonly units: number
  readonly everyMs: number
}

type Served = { readonly id: string; readonly waitMs: number; readonly units: number; readonly atMs: number }

/** Lets streams of arrivals run against a limiter for a while of virtual time; answers what each stream got. */
function simulate(state: LimiterState, streams: readonly Stream[], forMs: number): Map<string, Served[]> {
  const served = new Map<string, Served[]>(streams.map(({ client }) => [client, []]))
  const next = streams.map((stream, at) => ({ stream, atMs: at, nth: 0 }))
  const asked = new Map<string, { client: string; atMs: number; units: number }>()
  function tell(event: LimiterEvent): void {
    for (const effect of step(state, event)) {
      if (effect.kind !== 'granted') continue
      const request = asked.get(effect.id)
      if (request === undefined) continue
      const waitMs = effect.atMs - T0 - request.atMs
      served
        .get(request.client)
        ?.push({ id: effect.id, waitMs, units: request.units, atMs: effect.atMs - T0 })
      step(state, settle(effect.id, effect.atMs - T0))
    }
  }
  for (;;) {
    const arrival = next.reduce((first, one) => (one.atMs < first.atMs ? one : first))
    const wakeMs = (nextWakeMs(state) ?? Number.MAX_SAFE_INTEGER) - T0
    if (Math.min(arrival.atMs, wakeMs) > forMs) return served
    if (wakeMs < arrival.atMs) {
      tell({ kind: 'tick', atMs: T0 + wakeMs })
      continue
    }
    const { client, tier, urgency, units, everyMs } = arrival.stream
    const id = `${client}-${arrival.nth}`
    asked.set(id, { client, atMs: arrival.atMs, units })
    tell(
      reserve(id, arrival.atMs, units, {
        clientId: client,
        tier,
        urgency,
        waitUntilMs: T0 + 1e9,
        leaseMs: 1_000,
      }),
    )
    arrival.nth += 1
    arrival.atMs += everyMs
  }
}

/** 1,000 units a minute. */
function pipe(guaranteedShare?: number): LimiterState {
  const share = guaranteedShare === undefined ? {} : { guaranteedShare }
  return limiter(
    resource('gpt', [bucket(1_000, 1_000, 60_000)], { maxQueue: 100_000, maxWaitMs: 1e9, ...share }),
  )
}

const FLOOD: Stream = { client: 'flood', tier: 'enterprise', urgency: 'urgent', units: 50, everyMs: 1_500 }
const MINUTE = 60_000
const HOUR = 60 * MINUTE

test('GS1 the score alone starves the lowest for ever, the guaranteed share does not', () => {
  const poor: Stream = { client: 'poor', tier: 'basic', urgency: 'low', units: 50, everyMs: 5 * MINUTE }
  const lost = simulate(pipe(0), [FLOOD, poor], 3 * HOUR).get('poor') ?? []
  const kept = simulate(pipe(), [FLOOD, poor], 3 * HOUR).get('poor') ?? []
  expect(lost.length).toBeLessThanOrEqual(2)
  expect(kept.length).toBeGreaterThanOrEqual(33)
})

test('GS1 GS2 starvation bound: wait <= 10 min + (what the share serves before + a + a_max) / (share * rate)', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('basic', 'standard'),
      fc.integer({ min: 1, max: 400 }),
      fc.integer({ min: 10, max: 90 }),
      fc.integer({ min: 1, max: 6 }),
      (tier, units, floodUnits, others) => {
        const crowd = Array.from({ length: others }, (_, at): Stream => ({
          client: `c${at}`,
          tier: 'premium',
          urgency: 'high',
          units: 40 + at,
          everyMs: 20_000 + 1_000 * at,
        }))
        const flood = { ...FLOOD, units: floodUnits }
        const poor: Stream = { client: 'poor', tier, urgency: 'low', units, everyMs: 8 * MINUTE }
        const served = simulate(pipe(), [flood, poor, ...crowd], 90 * MINUTE)
        const starvingCosts = (from: number, to: number): number =>
          [...served.values()]
            .flat()
            .filter(({ atMs, waitMs }) => atMs > from && atMs <= to && waitMs >= 10 * MINUTE)
            .reduce((sum, one) => sum + one.units, 0)
        const perMs = (0.25 * 1_000) / MINUTE
        const longest = Math.max(units, floodUnits, 46)
        for (const { waitMs, atMs } of served.get('poor') ?? []) {
          const starvedAtMs = atMs - waitMs + 10 * MINUTE
          const ahead = starvingCosts(starvedAtMs, atMs)
          expect(waitMs).toBeLessThanOrEqual(10 * MINUTE + (ahead + units + 2 * longest) / perMs)
        }
        expect(served.get('poor')?.length).toBeGreaterThan(0)
      },
    ),
    { numRuns: 6 },
  )
})

describe('shares under overload, all of it guaranteed', () => {
  const tiers = ['enterprise', 'premium', 'standard', 'basic'] as const

  /** Units served by stream, without the first two minutes, in which the bucket is full and nobody has to wait. */
  function shares(streams: readonly Stream[], forMs: number): number[] {
    const served = simulate(pipe(10_000), streams, forMs)
    return streams.map(({ client }) =>
      (served.get(client) ?? [])
        .filter(({ atMs }) => atMs > 2 * MINUTE)
        .reduce((sum, one) => sum + one.units, 0),
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
    const got = shares(streams, HOUR)
    expect(jain(got.map((units, at) => units / (4 - at)))).toBeGreaterThanOrEqual(0.999)
  })

  test('vector 41 (VTC overload): of two clients at 1.5 and 3 per second, each gets half, within 1.6 %', () => {
    const stream = (client: string, everyMs: number): Stream => ({
      client,
      tier: 'standard',
      urgency: 'normal',
      units: 10,
      everyMs,
    })
    const [a = 0, b = 0] = shares([stream('a', 667), stream('b', 333)], 20 * MINUTE)
    expect(Math.abs(a - b) / (a + b)).toBeLessThanOrEqual(0.016)
  })

  test('vector 42 (VTC): who asks for less than its share gets all of it, and idling saves nothing', () => {
    const stream = (client: string, everyMs: number): Stream => ({
      client,
      tier: 'standard',
      urgency: 'normal',
      units: 10,
      everyMs,
    })
    // Capacity 100 requests a minute: 15, 30 and 180 asked.
    const [small, middle, large] = shares(
      [stream('s', 4_000), stream('m', 2_000), stream('l', 333)],
      20 * MINUTE,
    )
    expect(small).toBeGreaterThanOrEqual(0.97 * 15 * 18 * 10)
    expect(middle).toBeGreaterThanOrEqual(0.97 * 30 * 18 * 10)
    expect(large).toBeGreaterThanOrEqual(0.97 * 55 * 18 * 10)
  })

  test('GS3 two that are backlogged never differ by more than a request of each (SFQ pair bound)', () => {
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
