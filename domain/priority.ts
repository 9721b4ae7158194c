// The 0-100 score: tier 0-40, urgency 0-30, waiting 0-20, client fairness 0-10, and +10 once starving.
// Source: the specification's section 4.1; starvation threshold from its configuration section.

export const URGENCIES = ['urgent', 'high', 'normal', 'low'] as const
export type Urgency = (typeof URGENCIES)[number]

export const URGENCY_POINTS: Readonly<Record<Urgency, number>> = { urgent: 30, high: 20, normal: 10, low: 0 }

/** A point is earned by this much waiting, so that ageing is the same slope for all. */
export const AGEING_MS_PER_POINT = 300_000
export const AGEING_POINTS_MAX = 20
export const STARVING_AFTER_MS = 600_000
export const STARVING_POINTS = 10
export const FAIRNESS_POINTS_MAX = 10

export type Priority = {
  readonly score: number
  readonly tier: number
  readonly urgency: number
  readonly waiting: number
  readonly fairness: number
  readonly starving: boolean
}

/** The lower of the urgency asked and the most that the client may ask. */
export function cappedUrgency(asked: Urgency, max: Urgency): Urgency {
  return URGENCY_POINTS[asked] > URGENCY_POINTS[max] ? max : asked
}

export type QueueClass = 'immediate' | 'fast' | 'normal' | 'batch' | 'deferred'

/** The label of a request's current ETA; `waitMs` null where no start can be foreseen. */
export function queueClassOf(waitMs: number | null): QueueClass {
  if (waitMs === null || waitMs >= 3_600_000) return 'deferred'
  if (waitMs < 1_000) return 'immediate'
  if (waitMs < 10_000) return 'fast'
  return waitMs < 60_000 ? 'normal' : 'batch'
}

export type PriorityParts = {
  /** Points of the tier. */
  readonly tier: number
  readonly urgency: Urgency
  readonly waitedMs: number
  readonly fairness: number
  /** Points added by an operator; part of the score alone. */
  readonly boost: number
}

/** The score and its parts as they are told: whole points, the score within 0 to 100. */
export function priorityOf({ tier, urgency, waitedMs, fairness, boost }: PriorityParts): Priority {
  const starving = waitedMs >= STARVING_AFTER_MS
  const waiting = Math.min(AGEING_POINTS_MAX, Math.floor(waitedMs / AGEING_MS_PER_POINT))
  const urgencyPoints = URGENCY_POINTS[urgency]
  const sum = tier + urgencyPoints + waiting + fairness + boost + (starving ? STARVING_POINTS : 0)
  return {
    score: Math.max(0, Math.min(100, sum)),
    tier,
    urgency: urgencyPoints,
    waiting,
    fairness,
    starving,
  }
}
