// The coalescer: hands operations to the limiter in batches, one at a time.
//
// O1  Sent at once where no batch is under way, until its answer is delivered; what comes meanwhile goes together with the
//     next one. Two at a time would be smaller ones, and each costs as much.
// O2  A caller's promise settles when its operation is decided, or sure to be, or has failed for good.
// O3  Operations of one caller keep their order.
// O4  A batch goes as an update, whose answer is what was decided: recorded by then, and delivered from here without
//     another turn through the limiter. Where the limiter does not run, or gives no answer in time, it goes as a signal.
// O5  The limiter delivers by itself what it is not told to be delivered: `delivered` goes with the next batch, or alone
//     where none follows.
// O6  Who awaits a decision here gets it here, and no signal: should this process die, its activity is run again and asks
//     again, and the limiter answers what it had decided.

import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import {
  WorkflowIdConflictPolicy,
  WorkflowIdReusePolicy,
  WorkflowNotFoundError,
  type WorkflowClient,
} from '@temporalio/client'
import type { Logger } from 'pino'
import type { Effect } from '../limiter/effect.ts'
import {
  LIMITER_TASK_QUEUE,
  OPERATIONS_SIGNAL,
  OPERATIONS_UPDATE,
  isDecision,
  limiterWorkflowId,
  type Decision,
  type LimiterInput,
  type LimiterOperation,
  type OperationsAnswer,
  type OperationsBatch,
} from '../workflows/messages.ts'

const BATCH_OPERATIONS_MAX = 100
const BATCH_BYTES_MAX = 65_536
/** Operations that may wait for their batch; one more is refused, so that a dead server costs no memory. */
export const OPERATIONS_WAITING_MAX = 10_000
/** A limiter that moves to another process takes longer: then the server keeps the batch. */
const ANSWER_MS_MAX = 2_000
/** A ledger that takes longer holds up nobody else. */
const DELIVERY_MS_MAX = 250
const CONFIRM_AFTER_MS = 250
const CLOSE_MS_MAX = 3_000
const SEND_ATTEMPTS_MAX = 20
const RETRY_MS_MIN = 50
const RETRY_MS_MAX = 250
const LIMITER_TASK_TIMEOUT_MS = 5_000

/** Ledger first; then whoever waits is told, but for the reservations whose decision is `awaitedHere`. */
type Deliver = (effects: readonly Effect[], awaitedHere: ReadonlySet<string>) => Promise<void>

export type OperationsOptions = Omit<LimiterInput, 'carried'> & {
  /** Gives decisions to the ledger and to whoever waits for them. Where it rejects, the limiter does it. */
  readonly deliver: Deliver
  readonly log: Pick<Logger, 'warn'>
}

type Batch = Extract<OperationsBatch, { v: 2 }>

type Waiting = {
  readonly operation: LimiterOperation
  readonly bytes: number
  /** The reservation whose decision is awaited; null: that it is sure to be seen is enough. */
  readonly awaits: string | null
  readonly resolve: (decision: Decision | null) => void
  readonly reject: (error: unknown) => void
}

export class Operations {
  readonly #client: WorkflowClient
  readonly #input: LimiterInput
  readonly #deliver: OperationsOptions['deliver']
  readonly #log: OperationsOptions['log']
  #waiting: Waiting[] = []
  #sending: Promise<void> | null = null
  #isClosed = false
  /** Batches whose effects are delivered, and the limiter has not been told. */
  #delivered: string[] = []
  #confirmLater: NodeJS.Timeout | null = null
  #confirming: Promise<void> | null = null

  constructor(client: WorkflowClient, { group, historyEventsMax, deliver, log }: OperationsOptions) {
    this.#client = client
    this.#input = { group, historyEventsMax, carried: null }
    this.#deliver = deliver
    this.#log = log
  }

  /** Resolves when the limiter has seen the operation, or is sure to. Rejects where Temporal cannot be reached. */
  async send(operation: LimiterOperation): Promise<void> {
    await this.#submit(operation, null)
  }

  /** What is decided of it, once the ledger has it. Null where it is told by a signal instead: nobody knows yet. */
  async ask(operation: Extract<LimiterOperation, { kind: 'reserve' }>): Promise<Decision | null> {
    return await this.#submit(operation, operation.id)
  }

  /** Waits for the batch that is under way, and tells what is delivered; a server that is gone is not waited for. */
  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.race([this.#sending, delay(CLOSE_MS_MAX, undefined, { ref: false })])
    if (this.#confirmLater !== null) await this.#confirm()
    await this.#confirming
  }

  async #submit(operation: LimiterOperation, awaits: string | null): Promise<Decision | null> {
    if (this.#waiting.length >= OPERATIONS_WAITING_MAX) {
      throw new Error(`${OPERATIONS_WAITING_MAX} operations wait for the limiter already`)
    }
    const decided = new Promise<Decision | null>((resolve, reject) => {
      this.#waiting.push({ operation, bytes: JSON.stringify(operation).length, awaits, resolve, reject })
    })
    this.#sending ??= this.#drain()
    return await decided
  }

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) {
      const taken = this.#takeBatch()
      const batch = this.#batchOf(taken.map(({ operation }) => operation))
      try {
        const answer = await this.#ask(batch)
        const effects = answer?.effects ?? []
        const awaiting = effects.length === 0 ? [] : taken.filter(({ awaits }) => awaits !== null)
        for (const one of taken) if (!awaiting.includes(one)) one.resolve(null)
        const passed = effects.length === 0 ? null : this.#pass(batch.id, effects, awaiting)
        await Promise.race([passed, delay(DELIVERY_MS_MAX, undefined, { ref: false })])
      } catch (error) {
        for (const { reject } of taken) reject(error)
      }
    }
    this.#sending = null
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

  #batchOf(operations: readonly LimiterOperation[]): Batch {
    if (this.#confirmLater !== null) clearTimeout(this.#confirmLater)
    this.#confirmLater = null
    const delivered = this.#delivered
    this.#delivered = []
    return { v: 2, id: randomUUID(), operations, delivered }
  }

  /** Null where the limiter will decide later, and deliver by itself. */
  async #ask(batch: Batch): Promise<OperationsAnswer | null> {
    try {
      return await this.#client.withDeadline(Date.now() + ANSWER_MS_MAX, () =>
        this.#limiter().executeUpdate<OperationsAnswer, [OperationsBatch]>(OPERATIONS_UPDATE, {
          args: [batch],
          updateId: batch.id,
        }),
      )
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError))
        this.#log.warn({ error, batchId: batch.id }, 'the limiter gave no answer, it is signalled instead')
      // The limiter knows the batch, should it get it twice.
      await this.#signal(batch)
      return null
    }
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

  async #pass(batchId: string, effects: readonly Effect[], awaiting: readonly Waiting[]): Promise<void> {
    const decisions = new Map(effects.filter(isDecision).map((decision) => [decision.id, decision]))
    try {
      await this.#deliver(effects, new Set(awaiting.flatMap(({ awaits }) => awaits ?? [])))
    } catch (error) {
      this.#log.warn({ error, batchId }, 'decisions were not delivered, the limiter will do it')
      for (const { resolve } of awaiting) resolve(null)
      return
    }
    for (const { awaits, resolve } of awaiting) resolve(decisions.get(awaits ?? '') ?? null)
    this.#delivered.push(batchId)
    if (this.#isClosed) return
    this.#confirmLater ??= setTimeout(() => {
      this.#confirming = this.#confirm()
    }, CONFIRM_AFTER_MS).unref()
  }

  /** Where no batch has taken it along: alone, and only to a limiter that runs. */
  async #confirm(): Promise<void> {
    const batch = this.#batchOf([])
    try {
      await this.#client.withDeadline(Date.now() + ANSWER_MS_MAX, () =>
        this.#limiter().signal<[OperationsBatch]>(OPERATIONS_SIGNAL, batch),
      )
    } catch (error) {
      this.#log.warn({ error, batches: batch.delivered }, 'the limiter delivers again what is delivered')
    }
  }

  #limiter() {
    return this.#client.getHandle(limiterWorkflowId(this.#input.group))
  }
}
