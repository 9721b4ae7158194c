// The limiter's decisions on their way to whoever waits for them: into the ledger first.

import { WorkflowNotFoundError, type WorkflowClient } from '@temporalio/client'
import type { Effect } from '../limiter/effect.ts'
import { DECISION_SIGNAL, isDecision, requestWorkflowId, type Decision } from '../workflows/messages.ts'
import { recordEffects, type DeliveredTo } from './ledger/record-effects.ts'
import { settleExecution } from './ledger/settle-execution.ts'
import type { ActivityContext } from './request-activities.ts'

export type DeliveryEdges = {
  readonly context: ActivityContext
  readonly workflows: WorkflowClient
  readonly warn: (message: string, fields: Record<string, unknown>) => void
}

/** Safe to run twice, and beside others. Those who await a decision of `awaitedHere` get it without a signal. */
export async function deliverEffects(
  edges: DeliveryEdges,
  effects: readonly Effect[],
  awaitedHere: ReadonlySet<string> = new Set(),
): Promise<void> {
  const { sql, announcements } = edges.context
  for (const effect of effects) {
    if (effect.kind === 'limit-observed') edges.warn('a provider tells another limit', { ...effect })
  }
  const delivered = await recordEffects(sql, effects)
  await Promise.all([
    announcements.announce(delivered.map(({ announce }) => announce)),
    ...delivered.filter(({ effect }) => !isAwaited(effect, awaitedHere)).map((one) => tell(edges, one)),
  ])
}

function isAwaited(effect: Effect, awaitedHere: ReadonlySet<string>): boolean {
  return isDecision(effect) && awaitedHere.has(effect.id)
}

/** Signals the workflow of an execution. One that is gone (an operator ended it) gives everything back. */
async function tell(edges: DeliveryEdges, { effect, requestId, kind }: DeliveredTo): Promise<void> {
  if (kind !== 'execution' || !isDecision(effect)) return
  try {
    await edges.workflows.getHandle(requestWorkflowId(requestId)).signal(DECISION_SIGNAL, effect)
  } catch (error) {
    if (!(error instanceof WorkflowNotFoundError)) throw error
    await reclaim(edges, effect, requestId)
  }
}

async function reclaim({ context, warn }: DeliveryEdges, effect: Decision, requestId: string): Promise<void> {
  const { sql, operations, now } = context
  if (effect.kind !== 'granted' && effect.kind !== 'lease-expired') return
  const settlement = await settleExecution(sql, requestId, { kind: 'cancelled' }, now())
  if (!settlement.alreadyEnded) warn('the workflow of a request is gone', { requestId })
  await operations.send({ kind: 'settle', id: effect.id, actual: settlement.actual })
}
