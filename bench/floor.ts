// The floor's worker: activities that do nothing but keep the order of a request.

import { fileURLToPath } from 'node:url'
import type { Client } from '@temporalio/client'
import { bundleWorkflowCode, Worker, type NativeConnection } from '@temporalio/worker'

export type FloorActivities = {
  admit(id: string): Promise<void>
  work(id: string): Promise<void>
  settle(id: string): Promise<void>
}

export const FLOOR_TASK_QUEUE = 'bench-floor'

export type Floor = { once(id: string): Promise<boolean>; stop(): Promise<void> }

export async function startFloor(connection: NativeConnection, client: Client): Promise<Floor> {
  const activities: FloorActivities = {
    // The grant comes from outside, as the limiter's does.
    async admit(id) {
      void client.workflow.getHandle(id).signal('grant')
    },
    work: () => Promise.resolve(),
    settle: () => Promise.resolve(),
  }
  const worker = await Worker.create({
    connection,
    taskQueue: FLOOR_TASK_QUEUE,
    activities,
    workflowBundle: await bundleWorkflowCode({
      workflowsPath: fileURLToPath(new URL('floor-workflow.ts', import.meta.url)),
    }),
    maxConcurrentWorkflowTaskExecutions: 200,
    maxConcurrentLocalActivityExecutions: 500,
  })
  const running = worker.run()
  return {
    async once(id) {
      await client.workflow.execute('floor', { workflowId: id, taskQueue: FLOOR_TASK_QUEUE, args: [id] })
      return true
    },
    async stop() {
      worker.shutdown()
      await running
    },
  }
}
