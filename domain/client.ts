// A client: KAM's customer, its tier and what it may ask at most.

import type { Urgency } from './priority.ts'
import type { Tier } from './tier.ts'

export type Client = {
  readonly id: string
  readonly tier: string
  /** Reservations held or queued at once; null: as its tier says. */
  readonly maxConcurrent: number | null
  /** Requests admitted per UTC day; null is unlimited. */
  readonly dailyRequests: number | null
  readonly priorityMax: Urgency
}

/** The client's own cap, else its tier's; null is unlimited. */
export function concurrencyOf(client: Client, tier: Tier): number | null {
  return client.maxConcurrent ?? tier.maxConcurrent
}
