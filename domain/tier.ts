// A tier: what its clients' requests weigh in the order of the queue.

export type Tier = {
  readonly id: string
  /** Points of the priority score, 0 to 40. */
  readonly points: number
  /** Share of the guaranteed capacity, relative to the other tiers. */
  readonly weight: number
  /** Reservations that each client of this tier may hold at once, where it has no cap of its own; null is unlimited. */
  readonly maxConcurrent: number | null
  readonly dedicated: boolean
  readonly monthlyBudgetUsd: string | null
}

export const TIER_DEFAULTS = {
  maxConcurrent: null,
  dedicated: false,
  monthlyBudgetUsd: null,
} as const satisfies Partial<Tier>
