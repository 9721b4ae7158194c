// The limiter's hands: what it decided goes to the ledger first, then to whoever waits for it.

import { log } from '@temporalio/activity'
import type { WorkflowClient } from '@temporalio/client'
import type { Effect } from '../limiter/effect.ts'
import type { LimiterEvent } from '../limiter/event.ts'
import { deliverEffects } from './delivery.ts'
import { limiterConfig } from './ledger/limiter-config.ts'
import { knownGrants, waitingReservations } from './ledger/open-reservations.ts'
import type { ActivityContext } from './request-activities.ts'

export type Delivery = { readonly group: string; readonly effects: readonly Effect[] }

export type LimiterActivities = {
  /** Ledger first, then announcements and signals; safe to run twice. */
  deliver(delivery: Delivery): Promise<void>
  /** What the ledger knows, as the events of a cold start, in the order of their times. */
  loadLimiter(group: string): Promise<readonly LimiterEvent[]>
}

export function createLimiterActivities(
  context: ActivityContext,
  workflows: WorkflowClient,
): LimiterActivities {
  const { sql, now } = context
  const edges = { context, workflows, warn: log.warn.bind(log) }
  return {
    deliver: ({ effects }) => deliverEffects(edges, effects),

    async loadLimiter() {
      const nowMs = now()
      const config = await limiterConfig(sql)
      const grants = await knownGrants(sql, nowMs)
      const waiting = await waitingReservations(sql, nowMs)
      const firstMs = Math.min(nowMs, ...grants.map(({ atMs }) => atMs))
      return [{ kind: 'configure', atMs: firstMs, clients: {}, ...config }, ...grants, ...waiting]
    },
  }
}
