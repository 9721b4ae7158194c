// The limiter workflow: a thin, durable shell around `limiter/step`. One per resource group.
//
// L1  Messages become events, events become effects, effects leave through the outbox (L2, L5); nothing else happens here.
// L3  There is at most one timer, and none where nothing waits, no lease runs and every answer is known to be delivered.
// L4  Nothing is granted before a cold start has loaded what the ledger knows.
// L6  A run ends while no delivery is under way and no timer is about to ring: what came in that moment would fail the
//     task that ends it, and the next one would have to replay the whole run first. An update does not, a signal may.

import {
  allHandlersFinished,
  CancellationScope,
  condition,
  continueAsNew,
  defineSignal,
  defineUpdate,
  isCancellation,
  patched,
  proxyActivities,
  proxySinks,
  setHandler,
  sleep,
  workflowInfo,
  type Sinks,
} from '@temporalio/workflow'
import type { LimiterActivities } from '../activities/limiter-activities.ts'
import type { Effect } from '../limiter/effect.ts'
import { createState, encode, encodeView, restore, type LimiterState } from '../limiter/state.ts'
import { nextWakeMs, step } from '../limiter/step.ts'
import {
  CONTINUE_SIGNAL,
  OPERATIONS_SIGNAL,
  OPERATIONS_UPDATE,
  type LimiterInput,
  type LimiterOperation,
  type OperationsAnswer,
  type OperationsBatch,
} from './messages.ts'
import { Outbox } from './outbox.ts'

/** A state of at most this many bytes is published on every pass, a larger one this often. */
const SMALL_SNAPSHOT_BYTES = 32_768
const PUBLISH_EVERY_MS = 250
/** Batches of a run: below the server's 2,000 updates and 10,000 signals. */
const BATCHES_MAX = 1_000
const OVERLONG = 2
/** More than the task that ends a run takes. */
const QUIET_MS = 100
/** Below the 4 MiB at which the server suggests it: seconds of a limiter that is busy. */
const HISTORY_BYTES_MAX = 3_000_000
/** The timer is armed no closer than this, so that a burst of wake-ups is one. */
const WAKE_MS_MIN = 1

/** Called outside of history: readers see the limiter's state without asking the workflow. */
export interface LimiterSinks extends Sinks {
  readonly limiter: { publish(group: string, asOfMs: number, snapshot: string): void }
}

const { limiter: view } = proxySinks<LimiterSinks>()

const { loadLimiter } = proxyActivities<Pick<LimiterActivities, 'loadLimiter'>>({
  startToCloseTimeout: 30_000,
  retry: { initialInterval: 200, backoffCoefficient: 2, maximumInterval: 5_000 },
})

const operationsUpdate = defineUpdate<OperationsAnswer, [OperationsBatch]>(OPERATIONS_UPDATE)
const operationsSignal = defineSignal<[OperationsBatch]>(OPERATIONS_SIGNAL)
const continueSignal = defineSignal(CONTINUE_SIGNAL)

/** A batch, and how it is answered: null where it came as a signal. */
type Asked = {
  readonly batch: OperationsBatch
  readonly answer: ((answer: OperationsAnswer) => void) | null
}

export async function limiter(input: LimiterInput): Promise<never> {
  const { group, carried, historyEventsMax } = input
  const inbox: Asked[] =
    carried === null ? [] : [{ batch: { v: 1, operations: carried.operations }, answer: null }]
  const outbox = new Outbox(group, carried)
  const applied = new Set<string>()
  let batches = 0
  let continueAsked = false

  setHandler(operationsUpdate, async (batch) => {
    batches += 1
    return await new Promise<OperationsAnswer>((answer) => void inbox.push({ batch, answer }))
  })
  setHandler(operationsSignal, (batch) => {
    batches += 1
    inbox.push({ batch, answer: null })
  })
  setHandler(continueSignal, () => {
    continueAsked = true
  })

  const state = carried === null ? createState() : restore(carried.snapshot)
  if (carried === null) {
    const known = await loadLimiter(group)
    for (const event of known) outbox.add(step(state, event))
  }

  const alarm = new Alarm()
  const publisher = new Publisher(group)
  for (;;) {
    const atMs = Date.now()
    outbox.takeBack(atMs)
    pass({ state, outbox, applied, atMs }, inbox.splice(0))
    const isEnding = continueAsked || isRunLong(historyEventsMax, batches)
    const isDelivering = !outbox.isQuiet()
    const isWaitingToEnd =
      isEnding &&
      (isDelivering || alarm.ringsBefore(atMs + QUIET_MS)) &&
      !isOverlong(historyEventsMax) &&
      patched('end-in-quiet')
    if (!isWaitingToEnd) outbox.flush()
    const publishAgainMs = publisher.publish(state, atMs)
    if (isEnding && !isWaitingToEnd) {
      await condition(allHandlersFinished)
      return continueAsNew<typeof limiter>({
        ...input,
        carried: { snapshot: encode(state), ...outbox.carried(), operations: [] },
      })
    }
    alarm.armBy(earliest(nextWakeMs(state), earliest(publishAgainMs, outbox.takeBackAtMs())), atMs)
    const hasToGoOn = (): boolean =>
      isWaitingToEnd ? isDelivering && outbox.isQuiet() : outbox.canFlush() || continueAsked
    await condition(() => inbox.length > 0 || alarm.takeRung() || hasToGoOn())
  }
}

type Pass = {
  readonly state: LimiterState
  readonly outbox: Outbox
  /** Batches of this run. */
  readonly applied: Set<string>
  readonly atMs: number
}

/** Applies what came. What is decided for nobody who asked goes with the first answer, else by the activity. */
function pass({ state, outbox, applied, atMs }: Pass, asked: readonly Asked[]): void {
  const rest: Effect[] = []
  const answered = asked.flatMap(({ batch, answer }) => {
    const isNew = batch.v === 1 || (!applied.has(batch.id) && !outbox.hasHanded(batch.id))
    const effects = isNew ? applyAll(state, batch.operations, atMs) : []
    if (batch.v === 2) {
      applied.add(batch.id)
      outbox.confirm(batch.delivered)
      if (answer !== null) return [{ batchId: batch.id, answer, effects }]
      // Who signals has no answer to an update of the same batch.
      rest.push(...outbox.withdraw(batch.id))
    }
    rest.push(...effects)
    return []
  })
  rest.push(...step(state, { kind: 'tick', atMs }))
  const [first] = answered
  if (first === undefined) outbox.add(rest)
  else first.effects.push(...rest)
  for (const { batchId, answer, effects } of answered) answer(outbox.hand(batchId, effects, atMs))
}

function applyAll(state: LimiterState, operations: readonly LimiterOperation[], atMs: number): Effect[] {
  return operations.flatMap((operation) => step(state, { ...operation, atMs }))
}

function isRunLong(historyEventsMax: number, batches: number): boolean {
  const { historyLength, historySize, continueAsNewSuggested } = workflowInfo()
  return (
    continueAsNewSuggested ||
    historyLength >= historyEventsMax ||
    historySize >= HISTORY_BYTES_MAX ||
    batches >= BATCHES_MAX
  )
}

/** It does not wait for its deliveries any more (L6). */
function isOverlong(historyEventsMax: number): boolean {
  const { historyLength, continueAsNewSuggested } = workflowInfo()
  return continueAsNewSuggested || historyLength >= OVERLONG * historyEventsMax
}

function earliest(a: number | null, b: number | null): number | null {
  if (a === null) return b
  return b === null ? a : Math.min(a, b)
}

/** The one timer (L3): armed again only where the next wake moves earlier. */
class Alarm {
  #armedForMs: number | null = null
  #scope: CancellationScope | null = null
  #rung = false

  armBy(wakeAtMs: number | null, nowMs: number): void {
    if (wakeAtMs === null) return
    if (this.#armedForMs !== null && this.#armedForMs <= wakeAtMs) return
    this.#scope?.cancel()
    const scope = new CancellationScope()
    this.#scope = scope
    this.#armedForMs = wakeAtMs
    void scope.run(() => this.#ring(scope, Math.max(WAKE_MS_MIN, wakeAtMs - nowMs)))
  }

  ringsBefore(atMs: number): boolean {
    return this.#armedForMs !== null && this.#armedForMs < atMs
  }

  takeRung(): boolean {
    const rung = this.#rung
    this.#rung = false
    return rung
  }

  async #ring(scope: CancellationScope, afterMs: number): Promise<void> {
    try {
      await sleep(afterMs)
    } catch (error) {
      if (isCancellation(error)) return
      throw error
    }
    if (this.#scope !== scope) return
    this.#armedForMs = null
    this.#scope = null
    this.#rung = true
  }
}

/** Publishes the state to its readers, large states less often. */
class Publisher {
  readonly #group: string
  #lastAtMs = 0
  #lastBytes = 0

  constructor(group: string) {
    this.#group = group
  }

  /** Returns when to come again because something was left unpublished, or null. */
  publish(state: LimiterState, atMs: number): number | null {
    const againMs = this.#lastAtMs + PUBLISH_EVERY_MS
    if (this.#lastBytes > SMALL_SNAPSHOT_BYTES && atMs < againMs) return againMs
    const snapshot = JSON.stringify(encodeView(state))
    view.publish(this.#group, atMs, snapshot)
    this.#lastAtMs = atMs
    this.#lastBytes = snapshot.length
    return null
  }
}
