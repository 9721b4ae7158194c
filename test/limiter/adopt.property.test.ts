// After a cold start nothing is forgotten: whatever pools earlier grants came from, the limits hold over both lives.

import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Limit } from '../../domain/limit.ts'
import type { Pools, Resource } from '../../domain/resource.ts'
import type { Effect } from '../../limiter/effect.ts'
import { createState, type LimiterState } from '../../limiter/state.ts'
import { nextWakeMs, step } from '../../limiter/step.ts'
import {
  bucket,
  configuration,
  limiter,
  reserve,
  resource,
  run,
  settle,
  slots,
  T0,
  tick,
  window,
} from './fixture.ts'
import * as p from './limits/providers.ts'
import { runs } from '../support/runs.ts'

const W = 10_000
/** Limits, and what the provider of each counts by. */
const LIMITS: Readonly<Record<string, { readonly limit: Limit; readonly provider: () => p.Provider }>> = {
  'a window': { limit: window(100, W), provider: () => p.logProvider(100, W) },
  'a bucket': { limit: bucket(100, 10, 1_000), provider: () => p.bucketProvider(100, 10, 1_000) },
  'a window of the clock': {
    limit: { type: 'clock-window', units: 100, windowMs: W, phaseMs: 0 },
    provider: () => p.windowProvider(100, W, 0),
  },
}

const pools = fc.constantFrom<Pools>(
  { reserved: 2_000, dedicated: { acme: 3_000 }, lending: { reserved: 10_000, dedicated: 10_000 } },
  { reserved: 1_000, dedicated: { acme: 4_000, bolt: 3_000 } },
  { reserved: 0, dedicated: { acme: 5_000 }, lending: { reserved: 0, dedicated: 5_000 } },
)

const arrivals = fc.array(
  fc.record({
    afterMs: fc.oneof(fc.nat({ max: 300 }), fc.nat({ max: 4_000 })),
    clientId: fc.constantFrom('acme', 'bolt', 'cord'),
    urgency: fc.constantFrom('urgent', 'normal', 'normal'),
    units: fc.integer({ min: 1, max: 40 }),
    leaseMs: fc.constantFrom(500, 3_000, 20_000),
    /** Settled so long after its grant; null: never. */
    holdsMs: fc.option(fc.nat({ max: 4_000 })),
  }),
  { minLength: 5, maxLength: 60, size: 'max' },
)

type Grant = Extract<Effect, { kind: 'granted' }> & { readonly clientId: string }

type Life = {
  readonly grants: readonly Grant[]
  /** When those that were granted in this life or the one before gave their slots back. */
  readonly endedAtMs: ReadonlyMap<string, number>
  readonly endMs: number
}

type Arrivals = typeof arrivals extends fc.Arbitrary<infer T> ? T : never

/** Lives through the arrivals from a time on. */
function live(state: LimiterState, name: string, asked: Arrivals, fromMs: number): Life {
  const grants: Grant[] = []
  const endedAtMs = new Map<string, number>()
  const ends = new Map<number, string[]>()
  let nowMs = fromMs
  function note(effects: readonly Effect[]): void {
    for (const effect of effects) {
      const isEnd = effect.kind === 'lease-expired' || (effect.kind === 'settled' && !effect.late)
      if (isEnd) endedAtMs.set(effect.id, effect.atMs)
      if (effect.kind !== 'granted') continue
      const { clientId = '', holdsMs = null } = asked[Number(effect.id.split('-')[1])] ?? {}
      grants.push({ ...effect, clientId })
      if (holdsMs === null) continue
      const endMs = effect.atMs - T0 + holdsMs
      ends.set(endMs, [...(ends.get(endMs) ?? []), effect.id])
    }
  }
  function passUntil(untilMs: number): void {
    for (;;) {
      const wakeMs = (nextWakeMs(state) ?? Number.POSITIVE_INFINITY) - T0
      const endMs = Math.min(wakeMs, ...ends.keys())
      if (endMs > untilMs) break
      const ended = ends.get(endMs) ?? []
      ends.delete(endMs)
      note(run(state, tick(endMs), ...ended.map((id) => settle(id, endMs))))
    }
  }
  for (const [nth, { afterMs, holdsMs: _, ...more }] of asked.entries()) {
    nowMs += afterMs
    passUntil(nowMs)
    note(
      run(state, reserve(`${name}-${nth}`, nowMs, more.units, { ...more, waitUntilMs: T0 + nowMs + 60_000 })),
    )
  }
  return { grants, endedAtMs, endMs: nowMs }
}

/** A new life that knows of the grants what the ledger does. */
function coldStart(one: Resource, { grants, endedAtMs, endMs }: Life): LimiterState {
  const state = createState()
  step(state, configuration([one], { atMs: grants[0]?.atMs ?? T0 }))
  for (const { id, atMs, clientId, demand, expiresAtMs } of grants) {
    const told = { id, atMs, clientId, demand, expiresAtMs: endedAtMs.has(id) ? null : expiresAtMs }
    expect(step(state, { kind: 'adopt', ...told })).toEqual([])
  }
  step(state, tick(endMs))
  return state
}

function unitsOf({ demand }: Grant): number {
  return demand[0]?.[1] ?? 0
}

describe.each(Object.entries(LIMITS))('%s', (_name, { limit, provider }) => {
  test('AD1 AD3 after a cold start the provider refuses nothing over both lives, whoever had borrowed from whom', () => {
    fc.assert(
      fc.property(pools, arrivals, arrivals, (carved, before, after) => {
        const one = resource('gpt', [limit], { refund: 'none', pools: carved })
        const first = live(limiter(one), 'first', before, 0)
        const second = live(coldStart(one, first), 'second', after, first.endMs)
        const arrived = provider()
        const calls = [...first.grants, ...second.grants].map((grant) => ({
          atMs: grant.atMs - T0,
          units: unitsOf(grant),
        }))
        expect(calls.filter((call) => !arrived(call))).toEqual([])
      }),
      runs(150),
    )
  })
})

test('AD3 N1 after a cold start no more slots are in flight than there are, over all pools', () => {
  fc.assert(
    fc.property(pools, arrivals, arrivals, (carved, before, after) => {
      const one = resource('gpt', [slots(50, 'unit')], { pools: carved })
      const first = live(limiter(one), 'first', before, 0)
      const second = live(coldStart(one, first), 'second', after, first.endMs)
      const running = first.grants.filter(({ id }) => !first.endedAtMs.has(id))
      for (const { atMs: whenMs } of second.grants) {
        const inFlight = [...running, ...second.grants].filter(
          ({ id, atMs }) => atMs <= whenMs && (second.endedAtMs.get(id) ?? Infinity) > whenMs,
        )
        expect(inFlight.reduce((sum, grant) => sum + unitsOf(grant), 0)).toBeLessThanOrEqual(50)
      }
    }),
    runs(150),
  )
})
