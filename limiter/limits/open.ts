// Opens the meter of a limit, empty or on what was used before.

import type { Limit } from '../../domain/limit.ts'
import { adaptive } from './adaptive.ts'
import { concurrency } from './concurrency.ts'
import { endOfPeriod, fixedWindow, type Fixed } from './fixed-window.ts'
import type { Meter } from './meter.ts'
import { slew } from './slew.ts'
import { slidingCounter } from './sliding-counter.ts'
import { slidingWindow } from './sliding-window.ts'
import { spendCap } from './spend-cap.ts'
import { tokenBucket } from './token-bucket.ts'

/** What a meter keeps over a restart; slots keep nothing (N3). */
export type Kept = readonly number[]

export type Opening = {
  readonly limit: Limit
  readonly jitterMs: number
  readonly kept: Kept
  readonly atMs: number
}

export function openMeter({ limit, jitterMs, kept, atMs }: Opening): Meter {
  switch (limit.type) {
    case 'fixed-window':
    case 'clock-window':
      return fixedWindow(limit, jitterMs, kept)
    case 'quantized-window': {
      const { phaseMs } = limit
      return phaseMs === undefined
        ? slidingWindow(limit, jitterMs, kept)
        : fixedWindow({ ...limit, phaseMs }, jitterMs, kept)
    }
    case 'token-bucket':
      return tokenBucket(limit, jitterMs, kept, atMs)
    case 'sliding-window':
    case 'first-hit-window':
      return slidingWindow(limit, jitterMs, kept)
    case 'sliding-counter':
      return slidingCounter(limit, jitterMs, kept, atMs)
    case 'slew':
      return slew(limit, jitterMs, kept)
    case 'spend-cap':
      return spendCap(limit, kept)
    case 'adaptive':
      return adaptive(limit, jitterMs, kept)
    case 'concurrency':
      return concurrency(limit)
    default:
      return limit satisfies never
  }
}

export function keptOf(meter: Meter): Kept {
  return meter.kind === 'rate' ? meter.kept() : []
}

export type Change = {
  readonly before: Limit
  readonly after: Limit
  readonly jitterMs: number
  readonly kept: Kept
  readonly atMs: number
}

/** What a meter of limit `before` kept, as one of limit `after` of the same type goes on with it (L5). */
export function carryOver({ before, after, jitterMs, kept, atMs }: Change): Kept {
  const [from, to] = [asFixed(before), asFixed(after)]
  if (from !== null && to !== null) {
    const [used = 0, ahead = 0, endMs = 0] = kept
    const isSameGrid = [atMs, endMs].every((timeMs) => endOfPeriod(from, timeMs) === endOfPeriod(to, timeMs))
    if (isSameGrid) return kept
    return endMs > atMs ? [used, ahead, endOfPeriod(to, atMs)] : []
  }
  if (from === null && to === null) return kept
  // It was kept in another form: what is used now was used at the latest now.
  const used = openMeter({ limit: before, jitterMs, kept, atMs }).view(atMs).used
  const meter = openMeter({ limit: after, jitterMs, kept: [], atMs })
  if (meter.kind === 'rate' && used > 0) meter.charge(used, atMs)
  return keptOf(meter)
}

function asFixed(limit: Limit): Fixed | null {
  if (limit.type === 'fixed-window' || limit.type === 'clock-window') return limit
  if (limit.type !== 'quantized-window' || limit.phaseMs === undefined) return null
  return { ...limit, phaseMs: limit.phaseMs }
}
