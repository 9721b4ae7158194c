// The limiter workflow: a thin, durable shell around `limiter/step`. One per resource group.
//
// L1  Messages become events, events become effects, effects leave through `deliver`; nothing else happens here.
// L2  An effect is delivered at least once, whatever dies: it is carried until its delivery has answered.
// L3  There is at most one timer, and none where nothing waits and no lease runs.
// L4  Nothing is granted before a cold start has loaded what the ledger knows.

import {
  CancellationScope,
  condition,
  continueAsNew,
  defineSignal,
  isCancellation,
  log,
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
  type LimiterInput,
  type LimiterOperation,
  type OperationsBatch,
} from './messages.ts'

const DELIVERY_EFFECTS_MAX = 200
const DELIVERIES_IN_FLIGHT_MAX = 4
/** A state of at most this many bytes is published on every pass, a larger one this often. */
const SMALL_SNAPSHOT_BYTES = 32_768
const PUBLISH_EVERY_MS = 250
/** Below the server's 10,000 signals a run, of which each may hold many operations. */
const SIGNALS_MAX = 2_000
const HISTORY_BYTES_MAX = 1_000_000
/** The timer is armed no closer than this, so that a burst of wake-ups is one. */
const WAKE_MS_MIN = 1

/** Called outside of history: readers see the limiter's state without asking the workflow. */
export interface LimiterSinks extends Sinks {
  readonly limiter: { publish(group: string, asOfMs: number, snapshot: string): void }
}

const { limiter: view } = proxySinks<LimiterSinks>()

const { deliver } = proxyActivities<Pick<LimiterActivities, 'deliver'>>({
  startToCloseTimeout: 10_000,
  retry: { initialInterval: 100, backoffCoefficient: 2, maximumInterval: 5_000 },
})

const { loadLimiter } = proxyActivities<Pick<LimiterActivities, 'loadLimiter'>>({
  startToCloseTimeout: 30_000,
  retry: { initialInterval: 200, backoffCoefficient: 2, maximumInterval: 5_000 },
})

const operationsSignal = defineSignal<[OperationsBatch]>(OPERATIONS_SIGNAL)
const continueSignal = defineSignal(CONTINUE_SIGNAL)

export async function limiter(input: LimiterInput): Promise<never> {
  const { group, carried, historyEventsMax } = input
  const inbox: LimiterOperation[] = carried === null ? [] : [...carried.operations]
  const outbox = new Outbox(group, carried?.undelivered ?? [])
  let signals = 0
  let continueAsked = false

  setHandler(operationsSignal, (batch) => {
    signals += 1
    inbox.push(...batch.operations)
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
    outbox.add(applyAll(state, inbox.splice(0), atMs))
    outbox.flush()
    const publishAgainMs = publisher.publish(state, atMs)
    if (continueAsked || isRunLong(historyEventsMax, signals)) {
      return continueAsNew<typeof limiter>({
        ...input,
        carried: { snapshot: encode(state), undelivered: outbox.undelivered(), operations: inbox },
      })
    }
    alarm.armBy(earliest(nextWakeMs(state), publishAgainMs), atMs)
    await condition(() => inbox.length > 0 || alarm.takeRung() || outbox.canFlush() || continueAsked)
  }
}

function applyAll(state: LimiterState, operations: readonly LimiterOperation[], atMs: number): Effect[] {
  const effects: Effect[] = []
  for (const operation of operations) effects.push(...step(state, { ...operation, atMs }))
  effects.push(...step(state, { kind: 'tick', atMs }))
  return effects
}

function isRunLong(historyEventsMax: number, signals: number): boolean {
  const { historyLength, historySize, continueAsNewSuggested } = workflowInfo()
  return (
    continueAsNewSuggested ||
    historyLength >= historyEventsMax ||
    historySize >= HISTORY_BYTES_MAX ||
    signals >= SIGNALS_MAX
  )
}

function earliest(a: number | null, b: number | null): number | null {
  if (a === null) return b
  return b === null ? a : Math.min(a, b)
}

/** Effects on their way out (L2). */
class Outbox {
  readonly #group: string
  readonly #pending: Effect[]
  readonly #inFlight = new Set<readonly Effect[]>()

  constructor(group: string, undelivered: readonly Effect[]) {
    this.#group = group
    this.#pending = [...undelivered]
  }

  add(effects: readonly Effect[]): void {
    this.#pending.push(...effects)
  }

  canFlush(): boolean {
    return this.#pending.length > 0 && this.#inFlight.size < DELIVERIES_IN_FLIGHT_MAX
  }

  flush(): void {
    while (this.canFlush()) void this.#send(this.#pending.splice(0, DELIVERY_EFFECTS_MAX))
  }

  /** In the order in which they were decided. */
  undelivered(): readonly Effect[] {
    return [...[...this.#inFlight].flat(), ...this.#pending]
  }

  async #send(effects: readonly Effect[]): Promise<void> {
    this.#inFlight.add(effects)
    try {
      await deliver({ group: this.#group, effects })
      this.#inFlight.delete(effects)
    } catch (error) {
      // Only a cancelled limiter comes here: deliveries are retried without end. What is not delivered is
      // in the ledger as it was, and the next cold start decides anew.
      if (!isCancellation(error)) log.error('a delivery failed for good', { effects: effects.length, error })
    }
  }
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
