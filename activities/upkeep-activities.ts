// What falls due without anybody asking. Each step is idempotent and takes a bounded batch; the next run goes on.

import type { WorkflowClient } from '@temporalio/client'
import { forgetEvents } from './ledger/forget-events.ts'
import { forgetPeriods, forgetSlices } from './ledger/forget-periods.ts'
import { forgetRefused, forgetRequests } from './ledger/forget-requests.ts'
import { learnUse } from './ledger/learn-use.ts'
import { dropUsage, makePartitions } from './ledger/partitions.ts'
import type { Retention } from './ledger/retention.ts'
import { rollUpUsage } from './ledger/roll-up-usage.ts'
import { settleUnknown } from './ledger/settle-unknown.ts'
import type { ActivityContext } from './request-activities.ts'
import { endOrphans } from './upkeep/end-orphans.ts'
import { endOverdue } from './upkeep/end-overdue.ts'
import { resendLost } from './upkeep/resend-lost.ts'

/** The ids, or how many, that a step has changed something of. */
export type Found = number | readonly string[]

type Step = () => Promise<Found>

export type RepairActivities = {
  readonly resendLost: Step
  readonly endOrphans: Step
  readonly endOverdue: Step
  readonly settleUnknown: Step
  readonly rollUpUsage: Step
  readonly learnUse: Step
}

export type HousekeepingActivities = {
  readonly makePartitions: Step
  readonly forgetRefused: Step
  readonly forgetRequests: Step
  readonly forgetEvents: Step
  readonly forgetPeriods: Step
  readonly forgetSlices: Step
  readonly dropUsage: Step
}

/** Batches of one step in one run: what is left is taken by the next one. */
const BATCHES_MAX = 20

export function createUpkeepActivities(
  context: ActivityContext,
  workflows: WorkflowClient,
  retention: Retention,
): RepairActivities & HousekeepingActivities {
  const { sql, now } = context
  return {
    resendLost: () => resendLost(context, now()),
    endOrphans: () => endOrphans(context, workflows, now()),
    endOverdue: () => endOverdue(context, now()),
    settleUnknown: () => settleUnknown(sql, now()),
    rollUpUsage: () => untilEmpty(() => rollUpUsage(sql)),
    learnUse: () => learnUse(sql),
    makePartitions: () => makePartitions(sql, now()),
    forgetRefused: () => untilEmpty(() => forgetRefused(sql, now())),
    forgetRequests: () => untilEmpty(() => forgetRequests(sql, now() - retention.requestsMs)),
    forgetEvents: () => untilEmpty(() => forgetEvents(sql, now())),
    forgetPeriods: () => untilEmpty(() => forgetPeriods(sql, now() - retention.requestsMs)),
    forgetSlices: () => untilEmpty(() => forgetSlices(sql, now() - retention.requestsMs)),
    dropUsage: () => dropUsage(sql, retention, now()),
  }
}

async function untilEmpty(batch: () => Promise<number>): Promise<number> {
  let sum = 0
  for (let nth = 0; nth < BATCHES_MAX; nth += 1) {
    const count = await batch()
    if (count === 0) break
    sum += count
  }
  return sum
}
