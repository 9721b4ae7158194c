// How much of one limit is granted while somebody waits, beside the most that it lets through in that time.
//
// M1  Time counts in which somebody waited without a break, for a bucket at least a minute, for windows as many whole
//     spans of W + J as there are. What is used of one span cannot be more than the limit, whatever came before it.
// M2  For slots: time held from the grant until the limiter knew of the end, over all slots; its best is 1.

import { periodEnd, periodStart } from '../../../domain/calendar.ts'
import type { Limit } from '../../../domain/limit.ts'

const BACKLOG_MS_MIN = 60_000

/** One limit's sums; told of every charge, also while nobody waits. */
export type Gauge = {
  charge(units: number, atMs: number): void
  refund(units: number, atMs: number): void
  /** Somebody begins to wait, or nobody waits any more. */
  begin(atMs: number): void
  finish(atMs: number): void
  sums(): Sums
}

export type Sums = { readonly granted: number; readonly most: number }
export const NOTHING: Sums = { granted: 0, most: 0 }

type Opening = {
  readonly limit: Limit
  readonly jitterMs: number
  /** Measured from then on. */
  readonly fromMs: number
  /** Nothing of it is left, because somebody waits for it. */
  readonly isSpent: boolean
}

export function openGauge({ limit, jitterMs, fromMs, isSpent }: Opening): Gauge {
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
        // A charge at t counts in (t - W, t]: what was granted as the backlog began belongs to the span before.
        const firstMs = beganMs + 1
        return { fromMs: firstMs, untilMs: firstMs + spans * spanMs, most: spans * limit.units }
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
function slotGauge({ slots }: Extract<Limit, { type: 'concurrency' }>, fromMs: number): Gauge {
  const total = { granted: 0, most: 0 }
  let held = 0
  let slotMs = 0
  let asOfMs = 0
  let backlog: { beganMs: number; slotMs: number } | null = null
  const change = (units: number, atMs: number): void => {
    slotMs += held * (atMs - asOfMs)
    asOfMs = atMs
    held += units
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
