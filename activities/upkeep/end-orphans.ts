// Executions whose workflow has ended without settling them, or is gone: an operator terminated it, or it was deleted.
//
// O1  An orphan is open in the ledger, and Temporal knows no running workflow of its id.
// O2  It ends as cancelled: what its attempts used is booked, its holds and its reservation are given back.
// O3  Looked at are those that ended badly lately, as Temporal lists them, and those that are overdue. Nobody else is
//     asked about, however many are open.

import { WorkflowNotFoundError, type WorkflowClient } from '@temporalio/client'
import { REQUEST_WORKFLOW, fromRequestWorkflowId, requestWorkflowId } from '../../workflows/messages.ts'
import { openExecutions, overdueExecutions } from '../ledger/overdue.ts'
import { createRequestActivities, type ActivityContext } from '../request-activities.ts'

/** Beyond, they are found when they are overdue. */
const LISTED_MS = 3_600_000
const LISTED_MAX = 1_000

/** The ids of those that were settled. */
export async function endOrphans(
  context: ActivityContext,
  workflows: WorkflowClient,
  nowMs: number,
): Promise<readonly string[]> {
  const { sql } = context
  const [listed, overdue] = await Promise.all([
    endedBadly(workflows, nowMs - LISTED_MS),
    overdueExecutions(sql, nowMs),
  ])
  const suspects = new Set([...(await openExecutions(sql, listed)), ...overdue])
  const activities = createRequestActivities(context)
  const ended: string[] = []
  for (const requestId of suspects) {
    if (await isRunning(workflows, requestId)) continue
    await activities.settle({ requestId, ending: { kind: 'cancelled' }, attempt: null })
    ended.push(requestId)
  }
  return ended
}

async function endedBadly(workflows: WorkflowClient, sinceMs: number): Promise<readonly string[]> {
  const query = [
    `WorkflowType = '${REQUEST_WORKFLOW}'`,
    `ExecutionStatus IN ('Terminated', 'Failed', 'TimedOut', 'Canceled')`,
    `CloseTime > '${new Date(sinceMs).toISOString()}'`,
  ].join(' AND ')
  const ids: string[] = []
  for await (const { workflowId } of workflows.list({ query })) {
    const id = fromRequestWorkflowId(workflowId)
    if (id !== null) ids.push(id)
    if (ids.length >= LISTED_MAX) break
  }
  return ids
}

async function isRunning(workflows: WorkflowClient, requestId: string): Promise<boolean> {
  try {
    const { status } = await workflows.getHandle(requestWorkflowId(requestId)).describe()
    return status.name === 'RUNNING'
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false
    throw error
  }
}
