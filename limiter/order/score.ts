// The 0-100 score as keys that never need sorting again.
//
// O1  Ageing has the same slope for all, so below the cap the order of two never changes: the key
//     `300000 * points - enqueuedAtMs` is constant, one unit a millisecond. Above the cap the score itself is constant.
// O2  A lane's head changes its key at most twice: when it starves, and when its ageing reaches the cap.
// O3  Ties go to the earlier `enqueuedAtMs`, then to the earlier arrival (`sequence`).

import {
  AGEING_MS_PER_POINT,
  AGEING_POINTS_MAX,
  STARVING_AFTER_MS,
  STARVING_POINTS,
} from '../../domain/priority.ts'

export const CAPPED_AFTER_MS = AGEING_MS_PER_POINT * AGEING_POINTS_MAX

/** What a place in the order depends on; `points` are tier + urgency + fairness + boost. */
export type Standing = {
  readonly points: number
  readonly enqueuedAtMs: number
  readonly sequence: number
}

export type Rank = {
  /** Ageing has reached its cap: `key` is the score itself; else `key` + now is. */
  readonly capped: boolean
  readonly key: number
}

export function rankAt(points: number, enqueuedAtMs: number, nowMs: number): Rank {
  const waitedMs = nowMs - enqueuedAtMs
  const starving = waitedMs >= STARVING_AFTER_MS ? STARVING_POINTS : 0
  return waitedMs >= CAPPED_AFTER_MS
    ? { capped: true, key: AGEING_MS_PER_POINT * (points + starving + AGEING_POINTS_MAX) }
    : { capped: false, key: AGEING_MS_PER_POINT * (points + starving) - enqueuedAtMs }
}

/** The score at a time, in units of 1/300,000 point. */
export function scoreOf({ capped, key }: Rank, nowMs: number): number {
  return capped ? key : key + nowMs
}

/** The score at a time of something enqueued then. */
export function scoreAt(points: number, enqueuedAtMs: number, nowMs: number): number {
  const waitedMs = nowMs - enqueuedAtMs
  const starving = waitedMs >= STARVING_AFTER_MS ? STARVING_POINTS : 0
  return AGEING_MS_PER_POINT * (points + starving) + Math.min(waitedMs, CAPPED_AFTER_MS)
}

export function isStarvingAt(enqueuedAtMs: number, nowMs: number): boolean {
  return nowMs - enqueuedAtMs >= STARVING_AFTER_MS
}

/** When the key of something enqueued then changes next; null once it is capped. */
export function rekeyAtMs(enqueuedAtMs: number, nowMs: number): number | null {
  const waitedMs = nowMs - enqueuedAtMs
  if (waitedMs >= CAPPED_AFTER_MS) return null
  return enqueuedAtMs + (waitedMs >= STARVING_AFTER_MS ? CAPPED_AFTER_MS : STARVING_AFTER_MS)
}

/** True where `a` goes before `b` (O3). */
export function isAhead(a: Standing, b: Standing, nowMs: number): boolean {
  const scoreA = scoreAt(a.points, a.enqueuedAtMs, nowMs)
  const scoreB = scoreAt(b.points, b.enqueuedAtMs, nowMs)
  return scoreA === scoreB ? isEarlier(a, b) : scoreA > scoreB
}

export function isEarlier(
  a: Pick<Standing, 'enqueuedAtMs' | 'sequence'>,
  b: Pick<Standing, 'enqueuedAtMs' | 'sequence'>,
): boolean {
  return a.enqueuedAtMs === b.enqueuedAtMs ? a.sequence < b.sequence : a.enqueuedAtMs < b.enqueuedAtMs
}
