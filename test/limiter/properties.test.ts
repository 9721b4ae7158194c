// Properties of the whole limiter: what order, shares and changes promise to those who wait.

import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { URGENCIES } from '../../domain/priority.ts'
import { needOfLimit, sizeOfLimit, type Limit } from '../../domain/limit.ts'
import type { Demand, Resource } from '../../domain/resource.ts'
import type { Effect } from '../../limiter/effect.ts'
import type { LimiterEvent } from '../../limiter/event.ts'
import { encode, type LimiterState } from '../../limiter/state.ts'
import { nextWakeMs, step } from '../../limiter/step.ts'
import { availability, placement } from '../../limiter/view.ts'
import {
  bucket,
  configuration,
  grantedIds,
  limiter,
  lives,
  reserve,
  resource,
  run,
  T0,
  tick,
  WORLD,
  window,
} from './fixture.ts'
import { HOUR, MINUTE, simulate, type Stream } from './streams.ts'
import { worlds } from './worlds.ts'
import { runs } from '../support/runs.ts'

/** 1,000 units a minute. */
const PIPE = bucket(1_000, 1_000, MINUTE)
const OPEN = { maxQueue: 100_000, maxWaitMs: 1e9 } as const

function pipe(guaranteedShare: number): LimiterState {
  return limiter(resource('gpt', [PIPE], { ...OPEN, guaranteedShare }))
}

test('property 7: the ETA of who is next never grows, whatever comes behind it', () => {
  const units = fc.integer({ min: 1, max: 100 })
  const limit = fc.constantFrom<Limit>(bucket(100, 100, MINUTE), window(100, MINUTE))
  const behind = fc.array(fc.record({ afterMs: fc.nat({ max: 4_000 }), units }), {
    minLength: 10,
    maxLength: 30,
    size: 'max',
  })
  fc.assert(
    fc.property(limit, units, behind, (one, wanted, others) => {
      const state = limiter(resource('gpt', [one], { guaranteedShare: 0, refund: 'none' }))
      run(state, reserve('r0', 0, 100, { clientId: 'first' }))
      run(state, reserve('next', 0, wanted, { tier: 'enterprise', urgency: 'urgent' }))
      let etaMs = Number.POSITIVE_INFINITY
      let nowMs = 0
      for (const [at, { afterMs, units: more }] of others.entries()) {
        nowMs += afterMs
        const effects = run(state, reserve(`r${at + 1}`, nowMs, more, { clientId: `c${at}`, urgency: 'low' }))
        if (grantedIds(effects).includes('next') || !state.reservations.has('next')) return
        const told = placement(state, 'next', T0 + nowMs).etaMs ?? Number.POSITIVE_INFINITY
        expect(told).toBeLessThanOrEqual(etaMs)
        etaMs = told
      }
    }),
  )
})

function streams(clients: readonly string[], more: Omit<Stream, 'client'>): readonly Stream[] {
  return clients.map((client) => ({ client, ...more }))
}

/** Units of a stream served after `fromMs` and until `toMs`. */
function unitsOf(
  served: ReadonlyMap<string, readonly { atMs: number; units: number }[]>,
  client: string,
  fromMs: number,
  toMs: number,
): number {
  return (served.get(client) ?? [])
    .filter(({ atMs }) => atMs > fromMs && atMs <= toMs)
    .reduce((sum, { units }) => sum + units, 0)
}

test('property 10: of those who always want the same, nobody is served more than a request of each more in any time', () => {
  fc.assert(
    fc.property(fc.integer({ min: 20, max: 160 }), fc.integer({ min: 2, max: 5 }), (units, count) => {
      const clients = Array.from({ length: count }, (_, at) => `c${at}`)
      const everyMs = Math.floor((units * MINUTE) / 1_000)
      const asked = streams(clients, { tier: 'standard', urgency: 'normal', units, everyMs })
      const served = simulate(pipe(10_000), asked, 20 * MINUTE)
      // When all are backlogged.
      for (let atMs = 6 * MINUTE; atMs <= 20 * MINUTE; atMs += 1_700) {
        const got = clients.map((client) => unitsOf(served, client, 5 * MINUTE, atMs))
        expect(Math.max(...got) - Math.min(...got)).toBeLessThanOrEqual(2 * units)
      }
    }),
    { ...runs(8), endOnFailure: true },
  )
})

test('property 11: who is backlogged gets its part of the guaranteed share at least, whoever floods', () => {
  const weights = { enterprise: 4, premium: 3, standard: 2, basic: 1 } as const
  fc.assert(
    fc.property(fc.integer({ min: 20, max: 100 }), fc.integer({ min: 100, max: 1_500 }), (units, everyMs) => {
      const flood: Stream = { client: 'flood', tier: 'enterprise', urgency: 'urgent', units: 50, everyMs }
      const tiers = ['premium', 'standard', 'basic'] as const
      const others = tiers.map((tier): Stream => ({
        client: tier,
        tier,
        urgency: 'low',
        units,
        everyMs: 2_000,
      }))
      const served = simulate(pipe(2_500), [flood, ...others], HOUR)
      for (const tier of tiers) {
        const guaranteed = (250 * 50 * weights[tier]) / 10
        expect(unitsOf(served, tier, 10 * MINUTE, HOUR)).toBeGreaterThanOrEqual(guaranteed - 2 * units)
      }
    }),
    { ...runs(6), endOnFailure: true },
  )
})

test('property 12: three times the arrivals of one client move nobody else beyond the bound', () => {
  const flood = { client: 'flood', tier: 'enterprise', urgency: 'urgent', units: 50 } as const
  const calm: Stream = { client: 'calm', tier: 'basic', urgency: 'low', units: 40, everyMs: 4 * MINUTE }
  const boundMs = 10 * MINUTE + ((40 + 40 + 50) / 250) * MINUTE
  for (const everyMs of [3_000, 1_000]) {
    const waits = simulate(pipe(2_500), [{ ...flood, everyMs }, calm], 2 * HOUR).get('calm') ?? []
    expect(waits.length).toBeGreaterThan(20)
    expect(Math.max(...waits.map(({ waitMs }) => waitMs))).toBeLessThanOrEqual(boundMs)
  }
})

test('X4 property 13: the same events give the same state and effects', () => {
  fc.assert(
    fc.property(worlds(60), ({ resources, events }) => {
      const [a, b] = [limiter(...resources), limiter(...resources)]
      const effects = events.map((event) => step(a, event))
      expect(events.map((event) => step(b, event))).toEqual(effects)
      expect(JSON.stringify(encode(b))).toBe(JSON.stringify(encode(a)))
    }),
    runs(60),
  )
})

function grantTimes(state: LimiterState, events: readonly LimiterEvent[]): readonly string[] {
  return events
    .flatMap((event) => step(state, event))
    .flatMap((effect) => (effect.kind === 'granted' ? [`${effect.id} ${effect.atMs}`] : []))
}

function shifted(event: LimiterEvent, byMs: number): LimiterEvent {
  const atMs = event.atMs + byMs
  switch (event.kind) {
    case 'reserve':
      return {
        ...event,
        atMs,
        enqueuedAtMs: event.enqueuedAtMs + byMs,
        waitUntilMs: event.waitUntilMs + byMs,
      }
    case 'throttle':
      return { ...event, atMs, untilMs: event.untilMs + byMs }
    case 'observe': {
      const resetAtMs = event.resetAtMs === null ? null : event.resetAtMs + byMs
      return { ...event, atMs, grantedAtMs: event.grantedAtMs + byMs, resetAtMs }
    }
    default:
      return { ...event, atMs }
  }
}

test('property 14: a time shift of whole days changes nothing but the times', () => {
  fc.assert(
    fc.property(lives(60), fc.integer({ min: 1, max: 300 }), (events, days) => {
      const byMs = days * 24 * HOUR
      const there = limiter(...WORLD)
      step(there, tick(byMs))
      const expected = grantTimes(limiter(...WORLD), events)
      const got = grantTimes(
        there,
        events.map((event) => shifted(event, byMs)),
      )
      expect(got).toEqual(
        expected.map((line) => line.replace(/\d+$/u, (atMs) => String(Number(atMs) + byMs))),
      )
    }),
    runs(60),
  )
})

test('property 14: another resource that nobody uses changes nothing', () => {
  fc.assert(
    fc.property(lives(60), (events) => {
      const unused = resource('0', [bucket(1, 1, 1_000)])
      expect(grantTimes(limiter(unused, ...WORLD), events)).toEqual(grantTimes(limiter(...WORLD), events))
    }),
    runs(60),
  )
})

test('property 14: other names in the same order change nothing but the names', () => {
  const renamed = (event: LimiterEvent): LimiterEvent => {
    const named = 'id' in event ? { ...event, id: `x-${event.id}` } : event
    return named.kind === 'reserve' ? { ...named, clientId: `y-${named.clientId}` } : named
  }
  fc.assert(
    fc.property(lives(60), (events) => {
      const expected = grantTimes(limiter(...WORLD), events).map((line) => `x-${line}`)
      expect(grantTimes(limiter(...WORLD), events.map(renamed))).toEqual(expected)
    }),
    runs(60),
  )
})

test('property 14: all amounts and limits times a number change nothing', () => {
  const scaledResource = (one: Resource, by: number): Resource => ({
    ...one,
    limits: one.limits.map((limit): Limit => {
      if (limit.type === 'token-bucket')
        return { ...limit, capacity: limit.capacity * by, refillUnits: limit.refillUnits * by }
      if (limit.type === 'concurrency')
        return limit.per === 'unit' ? { ...limit, slots: limit.slots * by } : limit
      return { ...limit, units: limit.units * by }
    }),
  })
  const scaled = (demand: Demand, by: number): Demand => demand.map(([id, units]) => [id, units * by])
  fc.assert(
    fc.property(lives(60), fc.integer({ min: 2, max: 1_000 }), (lived, by) => {
      // A level is told in whole units, so what a provider tells of it is not scaled.
      const events = lived.filter(({ kind }) => kind !== 'observe')
      const expected = grantTimes(limiter(...WORLD), events)
      const more = events.map((event): LimiterEvent => {
        if (event.kind === 'reserve') return { ...event, demand: scaled(event.demand, by) }
        if (event.kind === 'settle') return { ...event, actual: event.actual && scaled(event.actual, by) }
        return event.kind === 'extend' ? { ...event, used: event.used && scaled(event.used, by) } : event
      })
      expect(grantTimes(limiter(...WORLD.map((one) => scaledResource(one, by))), more)).toEqual(expected)
    }),
    runs(60),
  )
})

test('V3 property 15: what can never fit is refused at once and never waits', () => {
  fc.assert(
    fc.property(worlds(60), ({ resources, events }) => {
      const stable = events.filter(({ kind }) => kind !== 'configure')
      const state = limiter(...resources)
      for (const event of stable) {
        const effects = step(state, event)
        if (event.kind !== 'reserve') continue
        const isTooLarge = event.demand.some(([id, units]) =>
          state.accounts
            .get(id)
            ?.resource.limits.some(
              (limit) =>
                needOfLimit(limit, units) >
                sizeOfLimit(limit, state.accounts.get(id)?.resource.jitterMs ?? 0),
            ),
        )
        if (!isTooLarge) continue
        const answers = effects.filter((effect: Effect) => 'id' in effect && effect.id === event.id)
        expect(
          answers.some(
            ({ kind }) => kind === 'queued' && state.reservations.get(event.id)?.demand === event.demand,
          ),
        ).toBe(false)
        const waiting = state.reservations.get(event.id)
        expect(waiting?.demand).not.toEqual(event.demand)
      }
    }),
    runs(60),
  )
})

test('Z2 property 17: a lower limit cancels nothing that was spent and admits nothing before it is met; a higher one wakes who waits', () => {
  const sizes = fc.record({
    used: fc.integer({ min: 40, max: 100 }),
    lower: fc.integer({ min: 20, max: 39 }),
    wanted: fc.integer({ min: 1, max: 20 }),
    afterMs: fc.integer({ min: 1, max: 59_000 }),
    urgency: fc.constantFrom(...URGENCIES),
  })
  fc.assert(
    fc.property(sizes, ({ used, lower, wanted, afterMs, urgency }) => {
      const of = (units: number, version: number) =>
        configuration([resource('gpt', [window(units, MINUTE)])], { version, atMs: T0 + afterMs })
      const state = limiter(resource('gpt', [window(100, MINUTE)], { refund: 'none' }))
      run(state, reserve('r0', 0, used), of(lower, 2))
      expect(availability(state, T0 + afterMs)[0]?.limits[0]?.used).toBe(used)
      expect(grantedIds(run(state, reserve('r1', afterMs, wanted, { urgency })))).toEqual([])
      expect(grantedIds(run(state, tick(59_999)))).toEqual([])
      expect(nextWakeMs(state)).toBe(T0 + MINUTE)
      const raised = { ...of(used + wanted, 3), atMs: T0 + 59_999 }
      expect(grantedIds(run(state, raised))).toEqual(['r1'])
    }),
  )
})
