// Concurrency: at most `slots` in flight, by reservation or by unit.
//
// N1  A slot is taken from the grant until it is settled or its lease ends, whichever is first.
// N2  When a slot comes free can only be bounded: by the earliest ends of leases. A release may come at any moment.
// N3  Nothing is kept: what is in flight is counted from the reservations that hold leases.

import { countsUnits, sizeOfLimit, type Concurrency } from '../../domain/limit.ts'
import type { SlotMeter } from './meter.ts'

export function concurrency(limit: Concurrency): SlotMeter {
  // Slots in flight by the end of their lease, in ascending order.
  const ends: number[] = []
  const taken: number[] = []
  let inFlight = 0

  function indexOf(untilMs: number): number {
    let [low, high] = [0, ends.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((ends[middle] ?? 0) < untilMs) low = middle + 1
      else high = middle
    }
    return low
  }

  function inFlightAt(whenMs: number): number {
    let count = inFlight
    for (let at = 0; at < ends.length && (ends[at] ?? 0) <= whenMs; at += 1) count -= taken[at] ?? 0
    return count
  }

  function earliest(need: number, whenMs: number): number | null {
    let excess = inFlight + need - limit.slots
    if (excess <= 0) return whenMs
    const lastMs = ends[ends.length - 1]
    if (lastMs === undefined) return null
    // More than the slots: as if every round lasted as long as the leases that run now.
    const rounds = Math.max(0, Math.ceil(excess / Math.max(1, inFlight)) - 1)
    excess -= rounds * inFlight
    let timeMs = whenMs
    for (let at = 0; excess > 0 && at < ends.length; at += 1) {
      excess -= taken[at] ?? 0
      timeMs = Math.max(whenMs, ends[at] ?? 0)
    }
    return timeMs + rounds * Math.max(0, lastMs - whenMs)
  }

  return {
    kind: 'slots',
    size: sizeOfLimit(limit, 0),
    countsUnits: countsUnits(limit),
    available: () => limit.slots - inFlight,
    earliest,
    soonest: (_need, _inFlight, whenMs) => whenMs,
    spare: (need, etaMs, use) =>
      use.untilMs <= etaMs ? Number.POSITIVE_INFINITY : limit.slots - need - inFlightAt(etaMs),
    take(slots, untilMs) {
      const at = indexOf(untilMs)
      if (ends[at] === untilMs) taken[at] = (taken[at] ?? 0) + slots
      else {
        ends.splice(at, 0, untilMs)
        taken.splice(at, 0, slots)
      }
      inFlight += slots
    },
    free(slots, untilMs) {
      const at = indexOf(untilMs)
      if (ends[at] !== untilMs) return
      const left = (taken[at] ?? 0) - slots
      if (left > 0) taken[at] = left
      else {
        ends.splice(at, 1)
        taken.splice(at, 1)
      }
      inFlight -= slots
    },
    view: () => ({
      type: 'concurrency',
      limit: limit.slots,
      used: inFlight,
      remaining: limit.slots - inFlight,
      resetsAtMs: null,
    }),
  }
}
