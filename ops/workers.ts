// The Temporal workers of one process: requests and the limiter, each on its own queue.

import { Client } from '@temporalio/client'
import {
  Worker,
  type InjectedSinks,
  type NativeConnection,
  type WorkflowBundleOption,
} from '@temporalio/worker'
import { createLimiterActivities } from '../activities/limiter-activities.ts'
import type { Retention } from '../activities/ledger/retention.ts'
import type { LimiterView } from '../activities/limiter-view.ts'
import { createRequestActivities, type ActivityContext } from '../activities/request-activities.ts'
import { createUpkeepActivities } from '../activities/upkeep-activities.ts'
import type { LimiterSinks } from '../workflows/limiter.ts'
import { LIMITER_TASK_QUEUE, REQUEST_TASK_QUEUE } from '../workflows/messages.ts'

export type WorkersOptions = {
  readonly connection: NativeConnection
  readonly namespace: string
  readonly context: ActivityContext
  readonly view: LimiterView
  readonly retention: Retention
  readonly workflowBundle: WorkflowBundleOption
}

export type Workers = {
  /** Rejects when a worker fails for good. */
  readonly running: Promise<void>
  stop(): Promise<void>
}

/** Running activities are given this long at a stop; what is not done is retried elsewhere under the same ids. */
const SHUTDOWN_GRACE_MS = 2_000
const SHUTDOWN_FORCE_MS = 5_000

/** Another worker takes the limiter over this soon after its own has died. */
const LIMITER_STICKY_MS = 2_000

export async function startWorkers(options: WorkersOptions): Promise<Workers> {
  const { connection, namespace, context, view, retention, workflowBundle } = options
  const workflows = new Client({ connection, namespace }).workflow
  const shared = {
    connection,
    namespace,
    workflowBundle,
    shutdownGraceTime: SHUTDOWN_GRACE_MS,
    shutdownForceTime: SHUTDOWN_FORCE_MS,
  }
  const sinks: InjectedSinks<LimiterSinks> = {
    limiter: { publish: { fn: (_info, _group, asOfMs, snapshot) => view.publish(asOfMs, snapshot) } },
  }
  const workers = await Promise.all([
    Worker.create({
      ...shared,
      taskQueue: REQUEST_TASK_QUEUE,
      activities: {
        ...createRequestActivities(context),
        ...createUpkeepActivities(context, workflows, retention),
      },
      maxConcurrentWorkflowTaskExecutions: 200,
      maxConcurrentLocalActivityExecutions: 500,
      maxConcurrentActivityTaskExecutions: 500,
      // A cancelled call learns of it with its next heartbeat.
      maxHeartbeatThrottleInterval: 2_000,
    }),
    Worker.create({
      ...shared,
      taskQueue: LIMITER_TASK_QUEUE,
      activities: createLimiterActivities(context, workflows),
      sinks,
      stickyQueueScheduleToStartTimeout: LIMITER_STICKY_MS,
    }),
  ])
  const runs = workers.map((worker) => worker.run())
  return {
    running: Promise.all(runs).then(() => undefined),
    async stop() {
      for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown()
      await Promise.allSettled(runs)
      await view.flush()
    },
  }
}
