// The coalescer: hands operations to the limiter in batches, one signal at a time.
//
// O1  Sent at once where no signal is under way; what comes meanwhile goes together with the next one.
// O2  A caller's promise settles when the signal that carries its operation is durable, or has failed for good.
// O3  Operations of one caller keep their order.

import { setTimeout as delay } from 'node:timers/promises'
import { WorkflowIdConflictPolicy, WorkflowIdReusePolicy, type WorkflowClient } from '@temporalio/client'
import {
  LIMITER_TASK_QUEUE,
  OPERATIONS_SIGNAL,
  limiterWorkflowId,
  type LimiterInput,
  type LimiterOperation,
  type OperationsBatch,
} from '../workflows/messages.ts'

const BATCH_OPERATIONS_MAX = 100
const BATCH_BYTES_MAX = 65_536
/** Operations that may wait for their signal; one more is refused, so that a dead server costs no memory. */
export const OPERATIONS_WAITING_MAX = 10_000
const SEND_ATTEMPTS_MAX = 20
const RETRY_MS_MIN = 50
const RETRY_MS_MAX = 250
const LIMITER_TASK_TIMEOUT_MS = 5_000

type Waiting = {
  readonly operation: LimiterOperation
  readonly bytes: number
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

export class Operations {
  readonly #client: WorkflowClient
  readonly #input: LimiterInput
  #waiting: Waiting[] = []
  #isSending = false

  constructor(client: WorkflowClient, { group, historyEventsMax }: Omit<LimiterInput, 'carried'>) {
    this.#client = client
    this.#input = { group, historyEventsMax, carried: null }
  }

  /** Resolves when the limiter is sure to see the operation. Rejects where Temporal cannot be reached. */
  async send(operation: LimiterOperation): Promise<void> {
    if (this.#waiting.length >= OPERATIONS_WAITING_MAX) {
      throw new Error(`${OPERATIONS_WAITING_MAX} operations wait for the limiter already`)
    }
    const sent = new Promise<void>((resolve, reject) => {
      this.#waiting.push({ operation, bytes: JSON.stringify(operation).length, resolve, reject })
    })
    if (!this.#isSending) void this.#drain()
    return await sent
  }

  async #drain(): Promise<void> {
    this.#isSending = true
    while (this.#waiting.length > 0) {
      const batch = this.#takeBatch()
      try {
        await this.#signal({ v: 1, operations: batch.map(({ operation }) => operation) })
        for (const { resolve } of batch) resolve()
      } catch (error) {
        for (const { reject } of batch) reject(error)
      }
    }
    this.#isSending = false
  }

  #takeBatch(): readonly Waiting[] {
    let bytes = 0
    let count = 0
    for (const next of this.#waiting) {
      if (count > 0 && (count === BATCH_OPERATIONS_MAX || bytes + next.bytes > BATCH_BYTES_MAX)) break
      bytes += next.bytes
      count += 1
    }
    const batch = this.#waiting.slice(0, count)
    this.#waiting = this.#waiting.slice(count)
    return batch
  }

  /** Retried closely: the limiter answers "busy" for moments, while it continues as new. */
  async #signal(batch: OperationsBatch): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#client.signalWithStart('limiter', {
          workflowId: limiterWorkflowId(this.#input.group),
          taskQueue: LIMITER_TASK_QUEUE,
          workflowIdReusePolicy: WorkflowIdReusePolicy.ALLOW_DUPLICATE,
          workflowIdConflictPolicy: WorkflowIdConflictPolicy.USE_EXISTING,
          workflowTaskTimeout: LIMITER_TASK_TIMEOUT_MS,
          staticSummary: `limiter of the group ${this.#input.group}`,
          signal: OPERATIONS_SIGNAL,
          signalArgs: [batch],
          args: [this.#input],
        })
        return
      } catch (error) {
        if (attempt >= SEND_ATTEMPTS_MAX) throw error
        await delay(Math.min(RETRY_MS_MAX, RETRY_MS_MIN * attempt))
      }
    }
  }
}
