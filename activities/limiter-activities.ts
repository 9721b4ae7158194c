// The limiter's hands: what it decided goes to the ledger first, then to whoever waits for it.

import { WorkflowNotFoundError, type WorkflowClient } from '@temporalio/client'
import { log } from '@temporalio/activity'
import type { Effect } from '../limiter/effect.ts'
import type { LimiterEvent } from '../limiter/event.ts'
import { DECISION_SIGNAL, requestWorkflowId, type Decision } from '../workflows/messages.ts'
import { limiterConfig } from './ledger/limiter-config.ts'
import { knownGrants, waitingReservations } from './ledger/open-reservations.ts'
import { recordEffects, type DeliveredTo } from './ledger/record-effects.ts'
import { settleExecution } from './ledger/settle-execution.ts'
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
  const { sql, announcements, now } = context
  return {
    async deliver({ effects }) {
      for (const effect of effects) {
        if (effect.kind === 'limit-observed') log.warn('a provider tells another limit', { ...effect })
      }
      const delivered = await recordEffects(sql, effects)
      await announcements.announce(delivered.map(({ announce }) => announce))
      await Promise.all(delivered.map((one) => tell(context, workflows, one)))
    },

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

/** Signals the workflow of an execution. One that is gone (an operator ended it) gives everything back. */
async function tell(
  context: ActivityContext,
  workflows: WorkflowClient,
  { effect, requestId, kind }: DeliveredTo,
): Promise<void> {
  if (kind !== 'execution' || !isDecision(effect)) return
  try {
    await workflows.getHandle(requestWorkflowId(requestId)).signal(DECISION_SIGNAL, effect)
  } catch (error) {
    if (!(error instanceof WorkflowNotFoundError)) throw error
    await reclaim(context, effect, requestId)
  }
}

async function reclaim(
  { sql, operations, now }: ActivityContext,
  effect: Decision,
  requestId: string,
): Promise<void> {
  if (effect.kind !== 'granted' && effect.kind !== 'lease-expired') return
  const settlement = await settleExecution(sql, requestId, { kind: 'cancelled' }, now())
  if (!settlement.alreadyEnded) log.warn('the workflow of a request is gone', { requestId })
  await operations.send({ kind: 'settle', id: effect.id, actual: settlement.actual })
}

function isDecision(effect: Effect): effect is Decision {
  switch (effect.kind) {
    case 'queued':
    case 'granted':
    case 'rejected':
    case 'timed-out':
    case 'cancelled':
    case 'lease-expired':
      return true
    default:
      return false
  }
}
