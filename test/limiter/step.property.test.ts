import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Resource } from '../../domain/resource.ts'
import type { Effect } from '../../limiter/effect.ts'
import type { LimiterEvent } from '../../limiter/event.ts'
import { createState, encode, restore, type LimiterSnapshot, type LimiterState } from '../../limiter/state.ts'
import { nextWakeMs, step } from '../../limiter/step.ts'
import { availability, check, placement, queues } from '../../limiter/view.ts'
import { isAtCap } from '../../limiter/client.ts'
import { standingOf } from '../../limiter/order/lane.ts'
import { isAhead } from '../../limiter/order/score.ts'
import { configuration, limiter, lives, reserve, run, settle, T0, tick, WORLD } from './fixture.ts'
import { runs } from '../support/runs.ts'

const RUNS = runs(150)

function throughJson(state: LimiterState): LimiterState {
  const snapshot: LimiterSnapshot = JSON.parse(JSON.stringify(encode(state)))
  return restore(snapshot)
}

type Charge = { readonly atMs: number; readonly units: number }

/** Reserved units of a resource as the effects tell them. */
function chargesOf(effects: readonly Effect[], resourceId: string): readonly Charge[] {
  return effects.flatMap((effect) => {
    if (effect.kind !== 'granted') return []
    const units = effect.demand.find(([id]) => id === resourceId)?.[1]
    return units === undefined ? [] : [{ atMs: effect.atMs, units }]
  })
}

/** Largest sum of charges in any window that ends at one of them. */
function mostIn(charges: readonly Charge[], windowMs: number): number {
  let most = 0
  for (const last of charges) {
    const sum = charges
      .filter(({ atMs }) => atMs > last.atMs - windowMs && atMs <= last.atMs)
      .reduce((total, { units }) => total + units, 0)
    most = Math.max(most, sum)
  }
  return most
}

/** First grants only: a repeated reserve tells a grant again. */
function firstGrants(effects: readonly Effect[]): readonly Effect[] {
  const seen = new Set<string>()
  return effects.filter((effect) => {
    if (effect.kind !== 'granted' || seen.has(effect.id)) return false
    seen.add(effect.id)
    return true
  })
}

/** Without use reports, so that what is charged is what was granted. */
function unreported(events: readonly LimiterEvent[]): readonly LimiterEvent[] {
  return events.map((event) => {
    if (event.kind === 'settle') return { ...event, actual: null }
    return event.kind === 'extend' ? { ...event, used: null } : event
  })
}

function limitOf(resource: Resource | undefined, type: string): number {
  return resource?.limits.findIndex((limit) => limit.type === type) ?? -1
}

test('L1 W1 property 1: no limit is exceeded in any window, whatever happens, seen through a delay of 0 to J', () => {
  fc.assert(
    fc.property(lives(), (events) => {
      const state = limiter(...WORLD)
      const grants = firstGrants(unreported(events).flatMap((event) => step(state, event)))
      const [a, b, c] = ['a', 'b', 'c'].map((id) => chargesOf(grants, id))
      expect(mostIn(a ?? [], 20_000)).toBeLessThanOrEqual(150)
      expect(mostIn(b ?? [], 5_700)).toBeLessThanOrEqual(60)
      for (const windowMs of [1, 1_000, 5_000, 30_000]) {
        expect(mostIn(a ?? [], windowMs)).toBeLessThanOrEqual(100 + (7 * windowMs) / 1_000)
        expect(mostIn(c ?? [], windowMs)).toBeLessThanOrEqual(35 + (10 * windowMs) / 1_000)
      }
      const minutes = new Map<number, number>()
      for (const { atMs, units } of b ?? []) {
        // A grant of the last 700 ms may arrive in this minute or the next (F2).
        for (const minute of new Set([Math.floor(atMs / 60_000), Math.floor((atMs + 700) / 60_000)])) {
          minutes.set(minute, (minutes.get(minute) ?? 0) + units)
        }
      }
      for (const used of minutes.values()) expect(used).toBeLessThanOrEqual(300)
    }),
    RUNS,
  )
})

test('N1 R1 property 2: slots in flight never exceed the limit and are conserved: granted = ended + in flight', () => {
  fc.assert(
    fc.property(lives(), (events) => {
      const state = limiter(...WORLD)
      const open = new Map<string, number>()
      for (const event of unreported(events)) {
        for (const effect of step(state, event)) {
          if (effect.kind === 'granted') {
            const c = effect.demand.find(([id]) => id === 'c')?.[1] ?? 0
            open.set(effect.id, c)
          }
          if (effect.kind === 'lease-expired' || (effect.kind === 'settled' && !effect.late))
            open.delete(effect.id)
        }
        const inUse = [...open.values()].reduce((sum, units) => sum + units, 0)
        expect(inUse).toBeLessThanOrEqual(8)
        const [c] = availability(state, state.nowMs, 'c')
        expect(c?.limits[limitOf(WORLD[2], 'concurrency')]?.used).toBe(inUse)
      }
    }),
    RUNS,
  )
})

test('T1 property 3: all or nothing: what is in flight is in flight on every resource of its demand', () => {
  fc.assert(
    fc.property(lives(), (events) => {
      const state = limiter(...WORLD)
      const open = new Map<string, readonly string[]>()
      for (const event of events) {
        for (const effect of step(state, event)) {
          if (effect.kind === 'granted')
            open.set(
              effect.id,
              effect.demand.map(([id]) => id),
            )
          if (effect.kind === 'lease-expired' || effect.kind === 'settled') open.delete(effect.id)
        }
        for (const { id, inFlight } of availability(state, state.nowMs)) {
          expect(inFlight).toBe([...open.values()].filter((resources) => resources.includes(id)).length)
        }
      }
    }),
    RUNS,
  )
})

test('X4 I1 I2 I4 N3 property 13: restored from JSON after any event, it goes on with the same effects and the same state', () => {
  fc.assert(
    fc.property(lives(), fc.nat(), (events, cut) => {
      const [whole, halves] = [limiter(...WORLD), limiter(...WORLD)]
      let restored = halves
      events.forEach((event, at) => {
        if (at === cut % events.length) restored = throughJson(restored)
        expect(step(restored, event)).toEqual(step(whole, event))
      })
      expect(encode(restored)).toEqual(encode(whole))
      expect(encode(throughJson(whole))).toEqual(encode(whole))
      expect(nextWakeMs(restored)).toBe(nextWakeMs(whole))
    }),
    RUNS,
  )
})

/** When each was granted; what it was last seen to wait for may be looked at once more. */
function timesOf(grants: readonly Effect[]): readonly string[] {
  return firstGrants(grants).map((effect) => `${'id' in effect ? effect.id : ''} at ${effect.atMs}`)
}

test('V1 V2 U2 property 4: each operation twice is once: the same grants at the same times', () => {
  fc.assert(
    fc.property(lives(), (events) => {
      const [once, twice] = [limiter(...WORLD), limiter(...WORLD)]
      const idempotent = events.filter((event) => event.kind !== 'boost')
      const grantsOnce = idempotent.flatMap((event) => step(once, event))
      // What was told of a reservation that did not run yet may find it running the second time.
      fc.pre(!grantsOnce.some((effect) => effect.kind === 'ignored' && effect.state === 'waiting'))
      const grantsTwice = idempotent.flatMap((event) => {
        const answers = step(twice, event)
        // Who is rejected leaves nothing behind, and is judged anew when asked again (V2): that is not the same operation.
        return answers.some(({ kind }) => kind === 'rejected') ? answers : [...answers, ...step(twice, event)]
      })
      expect(timesOf(grantsTwice)).toEqual(timesOf(grantsOnce))
      expect(availability(twice, twice.nowMs)).toEqual(availability(once, once.nowMs))
    }),
    RUNS,
  )
})

test('Q1 G2 CR1 each that waits is in one lane, one crowd and the heap of deadlines, and counted by its resources', () => {
  fc.assert(
    fc.property(lives(), (events) => {
      const state = limiter(...WORLD)
      for (const event of events) step(state, event)
      const waiting = [...state.reservations.values()].filter((found) => found.kind === 'waiting')
      const inLanes = [...state.shapes.values()].flatMap(({ lanes }) =>
        [...lanes].map(({ line }) => line.length),
      )
      expect(inLanes.reduce((sum, length) => sum + length, 0)).toBe(waiting.length)
      expect(inLanes.every((length) => length > 0)).toBe(true)
      expect(state.deadlines.size).toBe(waiting.length)
      for (const { id, waiting: depth } of availability(state, state.nowMs)) {
        expect(depth).toBe(waiting.filter(({ demand }) => demand.some(([wanted]) => wanted === id)).length)
      }
      for (const { id } of waiting) {
        const { position } = placement(state, id, state.nowMs)
        expect(position).toBe(positionByDefinition(state, id))
      }
    }),
    runs(60),
  )
})

/** One more than those ahead that share a resource, by going through all that wait. */
function positionByDefinition(state: LimiterState, id: string): number {
  const waiting = [...state.reservations.values()].filter((found) => found.kind === 'waiting')
  const own = waiting.find((one) => one.id === id)
  if (own === undefined) return 0
  const ahead = waiting.filter(
    (one) =>
      one !== own &&
      !isAtCap(one.lane.client) &&
      one.demand.some(([wanted]) => own.demand.some(([mine]) => mine === wanted)) &&
      isAhead(standingOf(one), standingOf(own), state.nowMs),
  )
  return ahead.length + 1
}

test('AM1 X0 X5 the state is changed in place, and nothing that an operation says makes it throw', () => {
  const odd = [Number.NaN, -1, 0, 1.5, Number.MAX_SAFE_INTEGER]
  const state = limiter(...WORLD)
  for (const [at, units] of odd.entries()) {
    const said = reserve(`odd-${at}`, at, 0, {
      demand: [['a', units]],
      leaseMs: 10,
      clientId: '',
      urgency: 'low',
    })
    expect(() => run(state, said, settle(`odd-${at}`, at, units), tick(at))).not.toThrow()
  }
  expect(() => run(state, reserve('none', 9, 0, { demand: [] }))).not.toThrow()
  expect(state.reservations.has('none')).toBe(true)
})

test('A3 questions change nothing', () => {
  fc.assert(
    fc.property(lives(60), (events) => {
      const [asked, quiet] = [limiter(...WORLD), limiter(...WORLD)]
      for (const event of events) {
        expect(step(asked, event)).toEqual(step(quiet, event))
        const laterMs = asked.nowMs + 75_000
        availability(asked, laterMs)
        queues(asked, laterMs)
        placement(asked, 'r1', laterMs)
        check(
          asked,
          { clientId: 'acme', maxConcurrent: 2, urgency: 'low', tier: 'basic', demand: [['b', 3]] },
          laterMs,
        )
      }
      expect(encode(asked)).toEqual(encode(quiet))
    }),
    RUNS,
  )
})

test('D4 nothing may start before the next wake: ticks in between do nothing, and every tick ends', () => {
  fc.assert(
    fc.property(lives(60), fc.integer({ min: 1, max: 999 }), (events, part) => {
      const state = limiter(...WORLD)
      for (const event of events) {
        step(state, event)
        const wakeMs = nextWakeMs(state)
        if (wakeMs === null) continue
        expect(wakeMs).toBeGreaterThan(state.nowMs)
        const probe = throughJson(state)
        const betweenMs = state.nowMs + Math.floor(((wakeMs - 1 - state.nowMs) * part) / 1_000)
        expect(step(probe, { kind: 'tick', atMs: betweenMs })).toEqual([])
        expect(step(probe, { kind: 'tick', atMs: wakeMs - 1 })).toEqual([])
      }
    }),
    RUNS,
  )
})

test('D4 driven by its own wakes alone, it comes to rest: everything waiting ends', () => {
  fc.assert(
    fc.property(lives(60), (events) => {
      const state = limiter(...WORLD)
      for (const event of events) step(state, event)
      step(state, { kind: 'pause', atMs: state.nowMs, paused: false })
      let steps = 0
      for (let wakeMs = nextWakeMs(state); wakeMs !== null; wakeMs = nextWakeMs(state)) {
        step(state, { kind: 'tick', atMs: wakeMs })
        steps += 1
        expect(steps).toBeLessThan(5_000)
      }
      expect(state.reservations.size).toBe(0)
    }),
    runs(50),
  )
})

test('K3 an event from the past is decided at the latest time told', () => {
  const state = createState()
  step(state, configuration(WORLD))
  step(state, { kind: 'tick', atMs: T0 + 5_000 })
  const effects = step(state, { kind: 'pause', atMs: T0 - 60_000, paused: true })
  expect(effects).toEqual([{ kind: 'paused', paused: true, atMs: T0 + 5_000 }])
})
