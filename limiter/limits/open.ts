// Opens the meter of a limit, empty or on what was used before.

import { periodEnd } from '../../domain/calendar.ts'
import type { Limit } from '../../domain/limit.ts'
import { concurrency } from './concurrency.ts'
import { fixedWindow } from './fixed-window.ts'
import type { Meter } from './meter.ts'
import { slidingWindow } from './sliding-window.ts'
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
    case 'token-bucket':
      return tokenBucket(limit, jitterMs, kept, atMs)
    case 'sliding-window':
      return slidingWindow(limit, jitterMs, kept)
    case 'fixed-window':
      return fixedWindow(limit, jitterMs, kept)
    case 'concurrency':
      return concurrency(limit)
    default:
      return limit satisfies never
  }
}

export function keptOf(meter: Meter): Kept {
  return meter.kind === 'rate' ? meter.kept() : []
}

/** What a meter of limit `before` kept, as one of limit `after` of the same type goes on with it (L5). */
export function carryOver(before: Limit, after: Limit, kept: Kept, atMs: number): Kept {
  if (before.type !== 'fixed-window' || after.type !== 'fixed-window') return kept
  if (before.period === after.period && before.timezone === after.timezone) return kept
  const [used = 0, ahead = 0, endMs = 0] = kept
  return endMs > atMs ? [used, ahead, periodEnd(after, atMs)] : []
}
