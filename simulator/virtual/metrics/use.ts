// Use of a limit while somebody waits for it: units granted over the most that could have been.
//
// M1  Time counts in which somebody waited without a break, for a bucket at least a minute, for windows as many whole
//     spans of W + J as there are. What is used of one span cannot be more than the limit, whatever came before it.
// M2  For slots: time held from the grant until the limiter knew of the end, over all slots; its best is 1.
//     Who is replaced in the moment of its grant leaves no gap.
// M3  Of several limits the one that is used most is the one that binds.

import { periodEnd, periodStart } from '../../../domain/calendar.ts'
import type { Limit } from '../../../domain/limit.ts'
import type { Resource } from '../../../domain/resource.ts'
import type { Fact } from '../facts.ts'
import type { Figures } from './figure.ts'

const BACKLOG_MS_MIN = 60_000

/** One limit's sums; told of every charge, also while nobody waits. */
type Gauge = {
  charge(units: number, atMs: number): void
  refund(units: number, atMs: number): void
  /** Somebody begins to wait, or nobody waits any more. */
  begin(atMs: number): void
  finish(atMs: number): void
  sums(): Sums
}

type Sums = { readonly granted: number; readonly most: number }
const NOTHING: Sums = { granted: 0, most: 0 }

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
      if (on !== undefined) act(on, units)
    }
  }
  const leave = (on: Watched, atMs: number): void => {
    on.waiting -= 1
    if (on.waiting === 0) on.idleSinceMs = atMs
  }
  const join = (on: Watched, atMs: number): void => {
    on.waiting += 1
    if (on.waiting > 1) return
    if (on.idleSinceMs !== atMs) {
      closeIdle(on)
      for (const gauge of on.gauges) gauge.begin(atMs)
    }
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
            for (const gauge of on.gauges) gauge.charge(units, atMs)
            if (fact.waited) leave(on, atMs)
          })
        case 'left':
          return each(fact, (on) => (fact.waited ? leave(on, atMs) : undefined))
        case 'ended': {
          const refunded = new Map(fact.refunded)
          return each(fact, ({ resource, gauges }, units) => {
            for (const [at, gauge] of gauges.entries()) {
              const isSlots = resource.limits[at]?.type === 'concurrency'
              gauge.refund(isSlots ? units : (refunded.get(resource.id) ?? 0), atMs)
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

function closeIdle({ idleSinceMs, gauges }: Watched): void {
  if (idleSinceMs !== null) for (const gauge of gauges) gauge.finish(idleSinceMs)
}

function close(on: Watched, atMs: number): void {
  closeIdle(on)
  on.idleSinceMs = null
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

type Opening = {
  readonly limit: Limit
  readonly jitterMs: number
  /** Measured from then on. */
  readonly fromMs: number
  /** Nothing of it is left, because somebody waits for it. */
  readonly isSpent: boolean
}

function openGauge({ limit, jitterMs, fromMs, isSpent }: Opening): Gauge {
  switch (limit.type) {
    case 'token-bucket':
      return bucketGauge(limit, { jitterMs, fromMs, isSpent })
    case 'sliding-window':
    case 'first-hit-window':
    case 'sliding-counter':
    case 'clock-window':
    case 'quantized-window':
    case 'slew':
    case 'adaptive': {
      const spanMs = limit.windowMs + jitterMs
      const wholeSpans = (beganMs: number, endedMs: number) => {
        const spans = Math.floor((endedMs - beganMs) / spanMs)
        return { fromMs: beganMs, untilMs: beganMs + spans * spanMs, most: spans * limit.units }
      }
      return windowGauge(wholeSpans, fromMs)
    }
    case 'fixed-window': {
      const calendar = { period: limit.period, timezone: limit.timezone }
      const wholePeriods = (beganMs: number, endedMs: number) => {
        const from = periodStart(calendar, beganMs) === beganMs ? beganMs : periodEnd(calendar, beganMs)
        let untilMs = from
        let most = 0
        for (let next = periodEnd(calendar, from); next <= endedMs; next = periodEnd(calendar, next)) {
          untilMs = next
          most += limit.units
        }
        return { fromMs: from, untilMs, most }
      }
      return windowGauge(wholePeriods, fromMs)
    }
    case 'spend-cap':
      return windowGauge((fromMs) => ({ fromMs, untilMs: fromMs, most: 0 }), fromMs)
    case 'concurrency':
      return slotGauge(limit, fromMs)
    default:
      return limit satisfies never
  }
}

/** M1: a bucket's level at the beginning of a backlog, and the refill until its end. */
function bucketGauge(
  { capacity, refillUnits, refillMs }: Extract<Limit, { type: 'token-bucket' }>,
  { jitterMs, fromMs, isSpent }: Omit<Opening, 'limit'>,
): Gauge {
  const rate = refillUnits / refillMs
  const size = capacity - rate * jitterMs
  const total = { granted: 0, most: 0 }
  let [level, asOfMs] = [isSpent ? 0 : size, -Infinity]
  let backlog: { beganMs: number; granted: number; level: number } | null = null
  const refill = (atMs: number): void => {
    level = asOfMs === -Infinity ? level : Math.min(size, level + (atMs - asOfMs) * rate)
    asOfMs = atMs
  }
  const charge = (units: number, atMs: number): void => {
    refill(atMs)
    level -= units
    if (backlog !== null && atMs >= backlog.beganMs) backlog.granted += units
  }
  return {
    charge,
    refund: (units, atMs) => charge(-units, atMs),
    begin(atMs) {
      refill(atMs)
      backlog = { beganMs: Math.max(atMs, fromMs), granted: 0, level: Math.max(0, level) }
    },
    finish(atMs) {
      if (backlog !== null && atMs - backlog.beganMs >= BACKLOG_MS_MIN) {
        total.granted += backlog.granted
        total.most += backlog.level + (atMs - backlog.beganMs) * rate
      }
      backlog = null
    },
    sums: () => total,
  }
}

type Spans = (
  beganMs: number,
  endedMs: number,
) => { readonly fromMs: number; readonly untilMs: number; readonly most: number }

/** M1: whole spans. */
function windowGauge(spansOf: Spans, fromMs: number): Gauge {
  const total = { granted: 0, most: 0 }
  let backlog: { beganMs: number; charges: [atMs: number, units: number][] } | null = null
  return {
    charge: (units, atMs) => backlog?.charges.push([atMs, units]),
    refund: (units, atMs) => backlog?.charges.push([atMs, -units]),
    begin(atMs) {
      backlog = { beganMs: Math.max(atMs, fromMs), charges: [] }
    },
    finish(atMs) {
      if (backlog !== null && atMs > backlog.beganMs) {
        const spans = spansOf(backlog.beganMs, atMs)
        const inside = backlog.charges.filter(([at]) => at >= spans.fromMs && at < spans.untilMs)
        total.granted += inside.reduce((sum, [, units]) => sum + units, 0)
        total.most += spans.most
      }
      backlog = null
    },
    sums: () => total,
  }
}

/** M2. */
function slotGauge({ slots, per }: Extract<Limit, { type: 'concurrency' }>, fromMs: number): Gauge {
  const total = { granted: 0, most: 0 }
  let held = 0
  let slotMs = 0
  let asOfMs = 0
  let backlog: { beganMs: number; slotMs: number } | null = null
  const change = (units: number, atMs: number): void => {
    slotMs += held * (atMs - asOfMs)
    asOfMs = atMs
    held += per === 'unit' ? units : Math.sign(units)
  }
  return {
    charge: change,
    refund: (units, atMs) => change(-units, atMs),
    begin(atMs) {
      change(0, atMs)
      backlog = { beganMs: Math.max(atMs, fromMs), slotMs }
    },
    finish(atMs) {
      change(0, atMs)
      if (backlog !== null && atMs - backlog.beganMs >= BACKLOG_MS_MIN) {
        total.granted += slotMs - backlog.slotMs
        total.most += slots * (atMs - backlog.beganMs)
      }
      backlog = null
    },
    sums: () => total,
  }
}
