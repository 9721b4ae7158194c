// Use of a limit while somebody waits for it: units granted over the most that could have been.
//
// M3  Of several limits the one that is used most is the one that binds. Who is replaced in the moment of its grant
//     leaves no gap.

import { countsUnits, needOfLimit } from '../../../domain/limit.ts'
import type { Resource } from '../../../domain/resource.ts'
import type { Fact } from '../facts.ts'
import type { Figures } from './figure.ts'
import { NOTHING, openGauge, type Gauge, type Sums } from './gauge.ts'

type Watched = {
  readonly resource: Resource
  waiting: number
  /** Since then nobody waits, and the backlog is not closed yet; null where it is, or somebody does. */
  idleSinceMs: number | null
  readonly gauges: readonly Gauge[]
}

export function openUse() {
  let watched = new Map<string, Watched>()
  /** By resource, sums of limits that no longer hold. */
  const past = new Map<string, Sums>()

  const each = (
    fact: Extract<Fact, { request: unknown }>,
    act: (on: Watched, units: number) => void,
  ): void => {
    for (const [id, units] of fact.request.demand) {
      const on = watched.get(id)
      if (on === undefined) continue
      if (on.idleSinceMs !== null && on.idleSinceMs < fact.atMs) closeIdle(on)
      act(on, units)
    }
  }
  const leave = (on: Watched, atMs: number): void => {
    on.waiting -= 1
    if (on.waiting === 0) on.idleSinceMs = atMs
  }
  const join = (on: Watched, atMs: number): void => {
    on.waiting += 1
    if (on.waiting === 1 && on.idleSinceMs === null) for (const gauge of on.gauges) gauge.begin(atMs)
    on.idleSinceMs = null
  }

  return {
    note(fact: Fact): void {
      const { atMs } = fact
      switch (fact.kind) {
        case 'queued':
          return each(fact, (on) => join(on, atMs))
        case 'granted':
          return each(fact, (on, units) => {
            for (const [at, gauge] of on.gauges.entries()) gauge.charge(needOf(on, at, units), atMs)
            if (fact.waited) leave(on, atMs)
          })
        case 'left':
          return each(fact, (on) => (fact.waited ? leave(on, atMs) : undefined))
        case 'ended': {
          const refunded = new Map(fact.refunded)
          return each(fact, (on, units) => {
            for (const [at, gauge] of on.gauges.entries()) {
              const limit = on.resource.limits[at]
              if (limit?.type === 'concurrency') gauge.refund(needOf(on, at, units), atMs)
              else if (limit !== undefined && countsUnits(limit)) {
                gauge.refund(refunded.get(on.resource.id) ?? 0, atMs)
              }
            }
          })
        }
        case 'configured':
          watched = new Map(
            fact.resources.map((resource) => {
              const before = watched.get(resource.id)
              if (before !== undefined && same(before.resource, resource)) return [resource.id, before]
              past.set(resource.id, add(past.get(resource.id), bindingOf(before, atMs)))
              return [resource.id, reopen(resource, before, atMs)]
            }),
          )
          return
        case 'over':
          for (const on of watched.values()) close(on, atMs)
          return
        case 'asked':
          return
        default:
          return fact satisfies never
      }
    },
    /** The most used of all resources; those of which nobody had to wait for long are not counted. */
    figures(): Figures {
      const uses = [...watched].map(([id, on]) => add(past.get(id), bindingOf(on, null)))
      const told = uses.filter(({ most }) => most > 0).map(({ granted, most }) => granted / most)
      return { use: told.length === 0 ? null : Math.max(...told) }
    },
  }
}

/** What a demand takes of the limit at that place. */
function needOf({ resource }: Watched, at: number, units: number): number {
  const limit = resource.limits[at]
  return limit === undefined ? 0 : needOfLimit(limit, units)
}

function closeIdle(on: Watched): void {
  const { idleSinceMs } = on
  if (idleSinceMs === null) return
  for (const gauge of on.gauges) gauge.finish(idleSinceMs)
  on.idleSinceMs = null
}

function close(on: Watched, atMs: number): void {
  closeIdle(on)
  if (on.waiting > 0) for (const gauge of on.gauges) gauge.finish(atMs)
}

function same(a: Resource, b: Resource): boolean {
  return JSON.stringify(a.limits) === JSON.stringify(b.limits)
}

function add(a: Sums = NOTHING, b: Sums): Sums {
  return { granted: a.granted + b.granted, most: a.most + b.most }
}

/** M3. */
function bindingOf(on: Watched | undefined, closedAtMs: number | null): Sums {
  if (on === undefined) return NOTHING
  if (closedAtMs !== null) close(on, closedAtMs)
  return on.gauges
    .map((gauge) => gauge.sums())
    .filter(({ most }) => most > 0)
    .reduce((best, one) => (one.granted * best.most >= best.granted * one.most ? one : best), NOTHING)
}

/** What was used before under other limits counts against the new ones for a span: they are measured after it. */
function reopen(resource: Resource, before: Watched | undefined, atMs: number): Watched {
  const { jitterMs } = resource
  const fromMs = before === undefined ? -Infinity : atMs + spanOf(resource)
  const waiting = before?.waiting ?? 0
  const gauges = resource.limits.map((limit) => openGauge({ limit, jitterMs, fromMs, isSpent: waiting > 0 }))
  if (waiting > 0) for (const gauge of gauges) gauge.begin(atMs)
  return { resource, waiting, idleSinceMs: null, gauges }
}

function spanOf({ limits, jitterMs }: Resource): number {
  return Math.max(
    0,
    ...limits.map((limit) => {
      if (limit.type === 'sliding-window') return limit.windowMs + jitterMs
      return limit.type === 'token-bucket' ? (limit.capacity * limit.refillMs) / limit.refillUnits : 0
    }),
  )
}
