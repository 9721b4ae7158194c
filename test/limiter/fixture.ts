// A limiter under test: short ways to configure it, to tell it things, and to make up random lives for it.

import * as fc from 'fast-check'
import type { Limit } from '../../domain/limit.ts'
import { URGENCIES } from '../../domain/priority.ts'
import { RESOURCE_DEFAULTS, type Demand, type Resource } from '../../domain/resource.ts'
import type { Effect } from '../../limiter/effect.ts'
import type { Configure, LimiterEvent, Reserve } from '../../limiter/event.ts'
import { createState, UNBOUNDED_BYTES, type LimiterState } from '../../limiter/state.ts'
import { step } from '../../limiter/step.ts'

/** A Saturday at midnight UTC. */
export const T0 = Date.UTC(2026, 7, 1)

export const TIERS = {
  enterprise: { points: 40, weight: 4 },
  premium: { points: 30, weight: 3 },
  standard: { points: 20, weight: 2 },
  basic: { points: 10, weight: 1 },
} as const

export function resource(id: string, limits: readonly Limit[], more: Partial<Resource> = {}): Resource {
  return { id, unit: 'units', ...RESOURCE_DEFAULTS, limits, ...more }
}

export function bucket(capacity: number, refillUnits: number, refillMs: number): Limit {
  return { type: 'token-bucket', capacity, refillUnits, refillMs }
}

export function window(units: number, windowMs: number): Limit {
  return { type: 'sliding-window', units, windowMs }
}

export function slots(count: number, per: 'reservation' | 'unit' = 'reservation'): Limit {
  return { type: 'concurrency', slots: count, per }
}

export function configuration(resources: readonly Resource[], more: Partial<Configure> = {}): Configure {
  return {
    kind: 'configure',
    atMs: T0,
    version: 1,
    resources: Object.fromEntries(resources.map((one) => [one.id, one])),
    tiers: TIERS,
    clients: {},
    ...more,
  }
}

export function limiter(...resources: readonly Resource[]): LimiterState {
  const state = createState()
  step(state, configuration(resources))
  return state
}

/** One that may grow beyond what a continued run can be given, for queues of any length. */
export function boundless(...resources: readonly Resource[]): LimiterState {
  const state = createState(UNBOUNDED_BYTES)
  step(state, configuration(resources))
  return state
}

/** A reserve of `units` of `gpt` by one standard client, at `atMs` after T0, that may wait an hour. */
export function reserve(id: string, atMs: number, units: number, more: Partial<Reserve> = {}): Reserve {
  return {
    kind: 'reserve',
    atMs: T0 + atMs,
    id,
    clientId: 'acme',
    tier: 'standard',
    maxConcurrent: null,
    urgency: 'normal',
    demand: [['gpt', units]],
    enqueuedAtMs: T0 + atMs,
    waitUntilMs: T0 + atMs + 3_600_000,
    leaseMs: 30_000,
    ...more,
  }
}

/** The same, but granted now or never. */
export function tryReserve(id: string, atMs: number, units: number, more: Partial<Reserve> = {}): Reserve {
  return reserve(id, atMs, units, { waitUntilMs: T0 + atMs, ...more })
}

export function tick(atMs: number): LimiterEvent {
  return { kind: 'tick', atMs: T0 + atMs }
}

export function settle(id: string, atMs: number, units: number | null = null): LimiterEvent {
  return { kind: 'settle', atMs: T0 + atMs, id, actual: units === null ? null : [['gpt', units]] }
}

export function run(state: LimiterState, ...events: readonly LimiterEvent[]): readonly Effect[] {
  return events.flatMap((event) => step(state, event))
}

/** `kind id` of every effect that has an id. */
export function told(effects: readonly Effect[]): readonly string[] {
  return effects.flatMap((effect) => ('id' in effect ? [`${effect.kind} ${effect.id}`] : []))
}

export function grantedIds(effects: readonly Effect[]): readonly string[] {
  return effects.flatMap((effect) => (effect.kind === 'granted' ? [effect.id] : []))
}

/** Three resources with every kind of limit, J and both refund rules among them. */
export const WORLD: readonly Resource[] = [
  resource('a', [bucket(100, 7, 1_000), window(150, 20_000), slots(6)]),
  resource(
    'b',
    [{ type: 'fixed-window', units: 300, period: 'minute', timezone: 'UTC' }, window(60, 5_000)],
    {
      jitterMs: 700,
      refund: 'none',
    },
  ),
  resource('c', [slots(8, 'unit'), bucket(40, 10, 1_000)], { jitterMs: 500, maxQueue: 4 }),
]

const CLIENTS = ['acme', 'bolt', 'cord', 'dune']

const demands: fc.Arbitrary<Demand> = fc
  .record({
    a: fc.integer({ min: 0, max: 60 }),
    b: fc.integer({ min: 0, max: 40 }),
    c: fc.integer({ min: 0, max: 8 }),
  })
  .map((units) => Object.entries(units).filter(([, amount]) => amount > 0))
  .filter((demand) => demand.length > 0)

const ids = fc.integer({ min: 0, max: 40 }).map((n) => `r${n}`)

/** What happens, and how long after what happened before; negative: the clock went back. */
export type Happening = { readonly afterMs: number; readonly event: LimiterEvent }

const afterMs = fc.oneof(
  { weight: 5, arbitrary: fc.integer({ min: 0, max: 900 }) },
  { weight: 1, arbitrary: fc.integer({ min: 900, max: 90_000 }) },
  { weight: 1, arbitrary: fc.integer({ min: -2_000, max: 0 }) },
)

const events: fc.Arbitrary<LimiterEvent> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc
      .record({
        id: ids,
        clientId: fc.constantFrom(...CLIENTS),
        tier: fc.constantFrom(...Object.keys(TIERS), ...Object.keys(TIERS), 'nobody'),
        maxConcurrent: fc.constantFrom(null, 1, 3),
        urgency: fc.constantFrom(...URGENCIES),
        demand: demands,
        enqueuedAtMs: fc.integer({ min: -1_000_000, max: 1_000 }),
        waitUntilMs: fc.constantFrom(-1, 5_000, 120_000, 3_600_000),
        leaseMs: fc.integer({ min: 1_000, max: 30_000 }),
      })
      .map((fields): LimiterEvent => ({ kind: 'reserve', atMs: 0, ...fields })),
  },
  {
    weight: 6,
    arbitrary: fc
      .record({ id: ids, actual: fc.option(demands) })
      .map((fields): LimiterEvent => ({ kind: 'settle', atMs: 0, ...fields })),
  },
  { weight: 2, arbitrary: ids.map((id): LimiterEvent => ({ kind: 'cancel', atMs: 0, id })) },
  {
    weight: 1,
    arbitrary: fc
      .record({ id: ids, leaseMs: fc.integer({ min: 1_000, max: 20_000 }), used: fc.option(demands) })
      .map((fields): LimiterEvent => ({ kind: 'extend', atMs: 0, ...fields })),
  },
  {
    weight: 1,
    arbitrary: fc
      .record({ id: ids, points: fc.integer({ min: -20, max: 20 }) })
      .map((fields): LimiterEvent => ({ kind: 'boost', atMs: 0, ...fields })),
  },
  {
    weight: 1,
    arbitrary: fc
      .record({
        resourceId: fc.constantFrom('a', 'b', 'c', 'x'),
        untilMs: fc.integer({ min: 0, max: 4_000 }),
      })
      .map((fields): LimiterEvent => ({ kind: 'throttle', atMs: 0, ...fields })),
  },
  {
    weight: 1,
    arbitrary: fc
      .record({
        resourceId: fc.constantFrom('a', 'b', 'c', 'x'),
        per: fc.constantFrom('unit', 'reservation'),
        grantedAtMs: fc.integer({ min: -5_000, max: 0 }),
        limit: fc.option(fc.constantFrom(40, 100, 150, 300, 77)),
        remaining: fc.option(fc.nat({ max: 100 })),
        resetAtMs: fc.option(fc.integer({ min: -10, max: 30_000 })),
      })
      .map((fields): LimiterEvent => ({ kind: 'observe', atMs: 0, ...fields })),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom(true, false, false)
      .map((paused): LimiterEvent => ({ kind: 'pause', atMs: 0, paused })),
  },
  { weight: 4, arbitrary: fc.constant<LimiterEvent>({ kind: 'tick', atMs: 0 }) },
)

/** What happens anywhere, or, one time in `others + 1`, something of one's own. */
export function happenings(
  own: readonly fc.WeightedArbitrary<LimiterEvent>[] = [],
  others = 1,
): fc.Arbitrary<Happening> {
  return fc.record({ afterMs, event: fc.oneof({ weight: others, arbitrary: events }, ...own) })
}

/** A random life of up to `maxLength` events at their times. */
export function lives(maxLength = 120): fc.Arbitrary<readonly LimiterEvent[]> {
  return fc.array(happenings(), { minLength: 1, maxLength, size: 'max' }).map(timed)
}

export function timed(happenings: readonly Happening[]): readonly LimiterEvent[] {
  let nowMs = T0
  return happenings.map(({ afterMs, event }) => {
    nowMs += afterMs
    return at(event, nowMs)
  })
}

/** The event at a time; the times that it names are told from there. */
function at(event: LimiterEvent, atMs: number): LimiterEvent {
  switch (event.kind) {
    case 'reserve':
      return {
        ...event,
        atMs,
        enqueuedAtMs: atMs + event.enqueuedAtMs,
        waitUntilMs: atMs + event.waitUntilMs,
      }
    case 'throttle':
      return { ...event, atMs, untilMs: atMs + event.untilMs }
    case 'observe': {
      const resetAtMs = event.resetAtMs === null ? null : atMs + event.resetAtMs
      return { ...event, atMs, grantedAtMs: atMs + event.grantedAtMs, resetAtMs }
    }
    default:
      return { ...event, atMs }
  }
}
