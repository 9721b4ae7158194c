// The Temporal Schedules of the upkeep: made at the first start, brought up to date at every other one.
//
// S1  Ids are stable: whoever starts, there is one schedule of each. A run is skipped while another one is under way.
// S2  What an operator has done to one (paused it, left a note) stays.

import {
  ScheduleAlreadyRunning,
  ScheduleOverlapPolicy,
  type ScheduleClient,
  type ScheduleOptionsStartWorkflowAction,
} from '@temporalio/client'
import { REQUEST_TASK_QUEUE, type UpkeepReport } from '../workflows/messages.ts'

const SECOND_MS = 1_000
const MINUTE_MS = 60_000
const RUN_MS_MAX = 30 * MINUTE_MS

type Upkeep = {
  readonly workflow: 'repair' | 'housekeeping'
  readonly everyMs: number
  readonly summary: string
  readonly details: string
}

export const UPKEEPS: readonly Upkeep[] = [
  {
    workflow: 'repair',
    everyMs: 30 * SECOND_MS,
    summary: 'Repair: what was lost, orphaned or is overdue; roll-up of usage',
    details: 'Ends and books what somebody left open who died, and adds usage up by the hour.',
  },
  {
    workflow: 'housekeeping',
    everyMs: 60 * MINUTE_MS,
    summary: 'Housekeeping: partitions ahead, what is no longer kept',
    details: 'Makes the months of usage ahead of their time, and forgets what RM_KEEP_* says.',
  },
]

export function scheduleId({ workflow }: Upkeep): string {
  return `rm-${workflow}`
}

export async function keepSchedules(schedules: ScheduleClient): Promise<void> {
  await Promise.all(UPKEEPS.map((upkeep) => keepSchedule(schedules, upkeep)))
}

async function keepSchedule(schedules: ScheduleClient, upkeep: Upkeep): Promise<void> {
  const id = scheduleId(upkeep)
  const definition = definitionOf(upkeep)
  try {
    const state = { note: upkeep.summary, triggerImmediately: true }
    await schedules.create({ scheduleId: id, ...definition, state })
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error
    await schedules.getHandle(id).update(({ state: { paused, note } }) => ({
      ...definition,
      state: { paused, ...(note !== undefined && { note }) },
    }))
  }
}

function definitionOf(upkeep: Upkeep) {
  const action: ScheduleOptionsStartWorkflowAction<() => Promise<UpkeepReport>> = {
    type: 'startWorkflow',
    workflowType: upkeep.workflow,
    workflowId: scheduleId(upkeep),
    taskQueue: REQUEST_TASK_QUEUE,
    args: [],
    // A run that hangs keeps the next ones away for so long at most.
    workflowExecutionTimeout: RUN_MS_MAX,
    staticSummary: upkeep.summary,
    staticDetails: upkeep.details,
  }
  return {
    spec: { intervals: [{ every: upkeep.everyMs }] },
    action,
    // What was missed is not made up for: the next run finds all there is to do.
    policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: MINUTE_MS },
  }
}
