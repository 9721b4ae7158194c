// The referee's own sums, one for every kind of limit. Times are milliseconds with a fraction.

import { toUs, type Ledger } from './checker-ledger.ts'
import { queueOf, sumOf } from './checker-definitions.ts'
import type { LimitRule } from './limit-rule.ts'

/** `startMs` is when the limit was opened. */
export function openLedger(rule: LimitRule, startMs: number): Ledger {
  switch (rule.type) {
    case 'token-bucket':
      return leak(rule)
    case 'sliding-window':
      return trail(rule)
    case 'fixed-window':
      return calendarSums(rule)
    case 'concurrency':
      return occupancy(rule)
    case 'queue-then-expire':
      return queueOf(rule)
    case 'sliding-counter':
    case 'clock-window':
    case 'first-hit-window':
    case 'quantised':
    case 'slew':
    case 'spend-cap':
    case 'hidden-adaptive':
      return sumOf(rule, startMs)
    default:
      return rule satisfies never
  }
}

/** The dual of a bucket: a queue that every call fills and that leaks at the refill's rate, never longer than the bucket. */
function leak({ capacity, refillUnits, refillMs }: Extract<LimitRule, { type: 'token-bucket' }>): Ledger {
  const charged = new Map<number, number>()
  let queue = 0
  let asOfUs = 0

  const drain = (atMs: number): number => {
    const atUs = toUs(atMs)
    queue = Math.max(0, queue - ((atUs - asOfUs) * refillUnits) / (refillMs * 1_000))
    asOfUs = atUs
    return queue
  }
  return {
    isExact: false,
    load: drain,
    sizeAt: () => capacity,
    charge(id, units, atMs) {
      queue = drain(atMs) + units
      charged.set(id, units)
    },
    end(id, actual, atMs) {
      const before = charged.get(id)
      charged.delete(id)
      if (before !== undefined && actual !== undefined) queue = Math.max(0, drain(atMs) + actual - before)
    },
    most: (firstMs, lastMs) => capacity + ((lastMs - firstMs) * refillUnits) / refillMs,
  }
}

/** All charges in order, and a pointer at the oldest that still counts. */
function trail({ units: size, windowMs }: Extract<LimitRule, { type: 'sliding-window' }>): Ledger {
  const times: number[] = []
  const amounts: number[] = []
  const places = new Map<number, number>()
  let oldest = 0
  let inside = 0

  const advance = (atMs: number): number => {
    const edgeUs = toUs(atMs) - windowMs * 1_000
    while (oldest < times.length && toUs(times[oldest] ?? 0) <= edgeUs) {
      inside -= amounts[oldest] ?? 0
      oldest += 1
    }
    return inside
  }
  return {
    isExact: true,
    load: advance,
    sizeAt: () => size,
    charge(id, units, atMs) {
      advance(atMs)
      places.set(id, times.length)
      times.push(atMs)
      amounts.push(units)
      inside += units
    },
    end(id, actual, atMs) {
      advance(atMs)
      const place = places.get(id)
      places.delete(id)
      if (place === undefined || actual === undefined || place < oldest) return
      inside += actual - (amounts[place] ?? 0)
      amounts[place] = actual
    },
    most: (firstMs, lastMs) => size * (Math.floor((lastMs - firstMs) / windowMs) + 1),
  }
}

/** One sum for every label that the calendar gives to a moment. */
function calendarSums({
  units: size,
  period,
  timezone,
}: Extract<LimitRule, { type: 'fixed-window' }>): Ledger {
  const sums = new Map<string, number>()
  const charged = new Map<number, { label: string; units: number }>()
  const labelOf = calendarLabel(period, timezone)

  return {
    isExact: true,
    sizeAt: () => size,
    load: (atMs) => sums.get(labelOf(atMs)) ?? 0,
    charge(id, units, atMs) {
      const label = labelOf(atMs)
      sums.set(label, (sums.get(label) ?? 0) + units)
      charged.set(id, { label, units })
    },
    end(id, actual, atMs) {
      const before = charged.get(id)
      charged.delete(id)
      if (before === undefined || actual === undefined || before.label !== labelOf(atMs)) return
      sums.set(before.label, (sums.get(before.label) ?? 0) + actual - before.units)
    },
    most: () => size * sums.size,
  }
}

function calendarLabel(
  period: 'minute' | 'hour' | 'day' | 'month',
  timezone: string,
): (atMs: number) => string {
  const length = { minute: 16, hour: 13, day: 10, month: 7 }[period]
  const format = new Intl.DateTimeFormat('sv-SE', {
    timeZone: timezone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    hour12: false,
  })
  // Swedish dates are written as ISO 8601 has them, so that a period is a prefix.
  return (atMs) => format.format(atMs).slice(0, length)
}

/** Who is in flight, and the integral of it over time. */
function occupancy({ slots }: Extract<LimitRule, { type: 'concurrency' }>): Ledger {
  const held = new Map<number, number>()
  let inFlight = 0
  let slotMs = 0
  let asOfMs: number | null = null

  const integrate = (atMs: number): void => {
    slotMs += inFlight * (atMs - (asOfMs ?? atMs))
    asOfMs = atMs
  }
  return {
    isExact: true,
    load: () => inFlight,
    sizeAt: () => slots,
    charge(id, units, atMs) {
      integrate(atMs)
      held.set(id, units)
      inFlight += units
    },
    end(id, _actual, atMs) {
      integrate(atMs)
      inFlight -= held.get(id) ?? 0
      held.delete(id)
    },
    most: (firstMs, lastMs) => slots * (Math.max(asOfMs ?? 0, lastMs) - firstMs),
    used: () => slotMs,
  }
}
