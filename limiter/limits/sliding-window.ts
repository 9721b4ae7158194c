// Sliding window: at most `units` in every window of `windowMs`, wherever it begins.
//
// W1  The sum of charges in any (t - W - J, t] never exceeds the limit by a grant (mirrored over W + J).
// W2  The log is exact up to LOG_ENTRIES_MAX entries; then charges in one slot of W/60 become one, at the latest of
//     their times: they count longer than they need, never shorter.
// W3  An overrun counts from when it is booked: it was used by then at the latest. A refund takes from the entry that
//     holds the charge, or nothing where that has rolled off.

import { sizeOfLimit, type Limit } from '../../domain/limit.ts'
import type { RateMeter } from './meter.ts'

type Window = Extract<Limit, { type: 'sliding-window' }>

export const LOG_ENTRIES_MAX = 2_048
export const SLOTS_PER_WINDOW = 60

export function slidingWindow(limit: Window, jitterMs: number, kept: readonly number[]): RateMeter {
  const spanMs = limit.windowMs + jitterMs
  const slotMs = Math.max(1, Math.floor(limit.windowMs / SLOTS_PER_WINDOW))
  const times: number[] = []
  const amounts: number[] = []
  let first = 0
  let sum = 0
  for (let at = 0, timeMs = 0; at < kept.length; at += 2) {
    timeMs += kept[at] ?? 0
    append(timeMs, kept[at + 1] ?? 0)
  }

  function append(timeMs: number, units: number): void {
    if (times.length > first && times[times.length - 1] === timeMs) {
      amounts[amounts.length - 1] = (amounts[amounts.length - 1] ?? 0) + units
    } else {
      times.push(timeMs)
      amounts.push(units)
    }
    sum += units
  }

  function drop(whenMs: number): void {
    while (first < times.length && (times[first] ?? 0) + spanMs <= whenMs) {
      sum -= amounts[first] ?? 0
      first += 1
    }
    if (first > LOG_ENTRIES_MAX / 2 || first === times.length) compact()
  }

  function compact(): void {
    times.splice(0, first)
    amounts.splice(0, first)
    first = 0
  }

  /** W2: one entry a slot. */
  function coarsen(): void {
    compact()
    let last = -1
    for (let at = 0; at < times.length; at += 1) {
      const timeMs = times[at] ?? 0
      const units = amounts[at] ?? 0
      if (last >= 0 && Math.floor((times[last] ?? 0) / slotMs) === Math.floor(timeMs / slotMs)) {
        times[last] = timeMs
        amounts[last] = (amounts[last] ?? 0) + units
      } else {
        last += 1
        times[last] = timeMs
        amounts[last] = units
      }
    }
    times.length = last + 1
    amounts.length = last + 1
  }

  function usedAt(whenMs: number): number {
    let used = sum
    for (let at = first; at < times.length && (times[at] ?? 0) + spanMs <= whenMs; at += 1) {
      used -= amounts[at] ?? 0
    }
    return used
  }

  function earliest(need: number, whenMs: number): number {
    // More than the limit passes in whole windows, one after the other.
    const cycles = need > limit.units ? Math.ceil(need / limit.units) - 1 : 0
    const rest = need - cycles * limit.units
    let excess = usedAt(whenMs) + rest - limit.units
    let timeMs = whenMs
    for (let at = first; excess > 0 && at < times.length; at += 1) {
      const expiresMs = (times[at] ?? 0) + spanMs
      if (expiresMs <= whenMs) continue
      excess -= amounts[at] ?? 0
      timeMs = expiresMs
    }
    return timeMs + cycles * spanMs
  }

  /** Index of the first entry at or after `timeMs`: the one that holds what was charged then (W2). */
  function holderOf(timeMs: number): number {
    let [low, high] = [first, times.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((times[middle] ?? 0) < timeMs) low = middle + 1
      else high = middle
    }
    return low
  }

  return {
    kind: 'rate',
    size: sizeOfLimit(limit, jitterMs),
    countsUnits: true,
    available: (whenMs) => limit.units - usedAt(whenMs),
    earliest,
    soonest: (need, inFlight, whenMs) => earliest(Math.max(0, need - inFlight), whenMs),
    spare: (need, etaMs, use) =>
      use.atMs + spanMs <= etaMs ? Number.POSITIVE_INFINITY : limit.units - need - usedAt(etaMs),
    charge(units, whenMs) {
      drop(whenMs)
      append(whenMs, units)
      if (times.length - first > LOG_ENTRIES_MAX) coarsen()
    },
    refund(units, chargedAtMs, whenMs) {
      drop(whenMs)
      if (chargedAtMs + spanMs <= whenMs) return
      const holder = holderOf(chargedAtMs)
      const given = Math.min(units, amounts[holder] ?? 0)
      if (given === 0) return
      amounts[holder] = (amounts[holder] ?? 0) - given
      sum -= given
      if (amounts[holder] === 0 && holder === times.length - 1) {
        times.pop()
        amounts.pop()
      }
    },
    kept() {
      const flat: number[] = []
      let previousMs = 0
      for (let at = first; at < times.length; at += 1) {
        const timeMs = times[at] ?? 0
        flat.push(timeMs - previousMs, amounts[at] ?? 0)
        previousMs = timeMs
      }
      return flat
    },
    view(whenMs) {
      const used = usedAt(whenMs)
      const newestMs = times[times.length - 1]
      return {
        type: 'sliding-window',
        limit: limit.units,
        used,
        remaining: limit.units - used,
        resetsAtMs: used > 0 && newestMs !== undefined ? newestMs + spanMs : null,
      }
    },
  }
}
