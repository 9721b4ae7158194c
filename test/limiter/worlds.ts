// Random worlds: resources of every kind of limit, with pools and without, whose configuration changes on the way.

import * as fc from 'fast-check'
import { countsUnits, type Limit } from '../../domain/limit.ts'
import { carve } from '../../domain/pool.ts'
import type { Demand, Resource } from '../../domain/resource.ts'
import type { LimiterEvent } from '../../limiter/event.ts'
import { bucket, happenings, resource, slots, timed, window } from './fixture.ts'

export type World = { readonly resources: readonly Resource[]; readonly events: readonly LimiterEvent[] }

const limit: fc.Arbitrary<Limit> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .tuple(
        fc.integer({ min: 40, max: 120 }),
        fc.integer({ min: 1, max: 30 }),
        fc.constantFrom(700, 1_000, 7_001),
      )
      .map(([capacity, refillUnits, refillMs]) => bucket(capacity, refillUnits, refillMs)),
  },
  {
    weight: 4,
    arbitrary: fc
      .tuple(fc.integer({ min: 40, max: 200 }), fc.constantFrom(1_000, 5_000, 60_000))
      .map(([units, windowMs]) => window(units, windowMs)),
  },
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.integer({ min: 2, max: 12 }), fc.constantFrom('reservation', 'unit'))
      .map(([count, per]) => slots(count, per)),
  },
  fc.constantFrom<Limit>(
    { type: 'fixed-window', units: 200, period: 'minute', timezone: 'Europe/Berlin' },
    { type: 'sliding-window', units: 4, windowMs: 3_000, per: 'reservation' },
    { type: 'sliding-counter', units: 90, windowMs: 10_000 },
    { type: 'clock-window', units: 90, windowMs: 10_000, phaseMs: 300 },
    { type: 'quantized-window', units: 600, windowMs: 60_000, stepMs: 6_000 },
    { type: 'first-hit-window', units: 120, windowMs: 8_000 },
    { type: 'adaptive', units: 120, windowMs: 6_000, floor: 5_000, decrease: 9_000, increase: 100 },
  ),
)

const pools = fc.constantFrom<Resource['pools'][]>(
  undefined,
  undefined,
  { reserved: 1_000, dedicated: { acme: 3_000 } },
  { reserved: 2_000, dedicated: { bolt: 4_000 }, lending: { reserved: 5_000, dedicated: 10_000 } },
  { reserved: 0, dedicated: { acme: 2_000, cord: 2_000 }, lending: { reserved: 0, dedicated: 0 } },
)

function resourceOf(id: string): fc.Arbitrary<Resource> {
  return fc
    .record({
      limits: fc.array(limit, { minLength: 1, maxLength: 3 }),
      pools,
      jitterMs: fc.constantFrom(0, 0, 300, 900),
      refund: fc.constantFrom('none', 'at-settle'),
      guaranteedShare: fc.constantFrom(0, 2_500, 2_500, 10_000),
      maxQueue: fc.constantFrom(3, 50, 50),
      maxWaitMs: fc.constantFrom(20_000, 3_600_000, 3_600_000),
    })
    .map(({ limits, pools, ...rest }) =>
      resource(id, limits, pools === undefined ? rest : { ...rest, pools }),
    )
}

const IDS = ['a', 'b', 'c'] as const

const change: fc.Arbitrary<LimiterEvent> = fc
  .constantFrom(...IDS)
  .chain((id) => fc.option(resourceOf(id), { freq: 6 }).map((changed) => ({ [id]: changed })))
  .map((resources): LimiterEvent => ({
    kind: 'configure',
    atMs: 0,
    version: 0,
    resources,
    tiers: {},
    clients: {},
  }))

/** A world and a random life in it; one event in `changesEvery` is another configuration. */
export function worlds(maxLength = 80, changesEvery = 20): fc.Arbitrary<World> {
  return fc.record({
    resources: fc.tuple(...IDS.map(resourceOf)),
    events: fc
      .array(happenings([{ weight: 1, arbitrary: change }], changesEvery - 1), {
        minLength: 1,
        maxLength,
        size: 'max',
      })
      .map(timed)
      .map((events) =>
        events.map((event, at) => (event.kind === 'configure' ? { ...event, version: at + 2 } : event)),
      ),
  })
}

/** What the demands of `happenings` are at most, so that they are parts of it. */
const DEMANDED_MAX: Readonly<Record<string, number>> = { a: 60, b: 40, c: 8 }

/** Worlds in which every demand is a part of what its resources admit at once: many wait, and none is impossible. */
export function crowds(maxLength = 80, changesEvery = 20): fc.Arbitrary<World> {
  return worlds(maxLength, changesEvery).map(({ resources, events }) => {
    const sizes = new Map(resources.map((one) => [one.id, sizeOf(one)]))
    const sized = ([id, units]: Demand[number]): Demand[number] => [
      id,
      Math.max(1, Math.floor(((sizes.get(id) ?? 1) * units) / (DEMANDED_MAX[id] ?? 1))),
    ]
    return {
      resources,
      events: events.map((event) =>
        event.kind === 'reserve' ? { ...event, demand: event.demand.map(sized) } : event,
      ),
    }
  })
}

/** The most that one demand may take of the shared pool. */
function sizeOf(resource: Resource): number {
  const [shared] = carve(resource)
  const counting = shared?.sizes.filter((_, index) => countsUnits(resource.limits[index] ?? slots(1)))
  return Math.min(60, ...(counting ?? []))
}
