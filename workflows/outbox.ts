// The limiter's effects on their way out.
//
// L2  An effect is delivered at least once, whatever dies: it is carried until its delivery is known.
// L5  What is decided for a batch that came as an update goes with its answer. Its sender tells when it has delivered
//     it; where no word comes within HANDED_MS it leaves by the activity like everything else.

import { isCancellation, log, proxyActivities } from '@temporalio/workflow'
import type { LimiterActivities } from '../activities/limiter-activities.ts'
import type { Effect } from '../limiter/effect.ts'
import type { CarriedLimiter, Handed, OperationsAnswer } from './messages.ts'

/** Of one delivery, and of one answer. */
const DELIVERY_EFFECTS_MAX = 200
const DELIVERIES_IN_FLIGHT_MAX = 4
/** A sender that lives has told by then. */
const HANDED_MS = 2_000

const { deliver } = proxyActivities<Pick<LimiterActivities, 'deliver'>>({
  startToCloseTimeout: 10_000,
  retry: { initialInterval: 100, backoffCoefficient: 2, maximumInterval: 5_000 },
})

export class Outbox {
  readonly #group: string
  readonly #pending: Effect[]
  readonly #inFlight = new Set<readonly Effect[]>()
  /** By batch, the oldest first. */
  readonly #handed: Map<string, Handed>

  constructor(group: string, carried: CarriedLimiter | null) {
    this.#group = group
    this.#pending = [...(carried?.undelivered ?? [])]
    this.#handed = new Map((carried?.handed ?? []).map((one) => [one.batchId, one]))
  }

  add(effects: readonly Effect[]): void {
    this.#pending.push(...effects)
  }

  /** The answer to a batch; what is too much for one answer leaves by the activity. */
  hand(batchId: string, decided: readonly Effect[], atMs: number): OperationsAnswer {
    const effects = decided.slice(0, DELIVERY_EFFECTS_MAX)
    this.add(decided.slice(DELIVERY_EFFECTS_MAX))
    if (effects.length > 0) this.#handed.set(batchId, { batchId, atMs, effects })
    return { effects }
  }

  hasHanded(batchId: string): boolean {
    return this.#handed.has(batchId)
  }

  confirm(batchIds: readonly string[]): void {
    for (const batchId of batchIds) this.#handed.delete(batchId)
  }

  /** What the answer to a batch carried, where its sender turns out to have no answer. */
  withdraw(batchId: string): readonly Effect[] {
    const handed = this.#handed.get(batchId)
    this.#handed.delete(batchId)
    return handed?.effects ?? []
  }

  /** What nobody told of in time leaves by the activity. */
  takeBack(nowMs: number): void {
    for (const { batchId, atMs, effects } of this.#handed.values()) {
      if (nowMs < atMs + HANDED_MS) break
      this.#handed.delete(batchId)
      this.add(effects)
    }
  }

  /** When there may be something to take back; null where nothing is handed. */
  takeBackAtMs(): number | null {
    const [oldest] = this.#handed.values()
    return oldest === undefined ? null : oldest.atMs + HANDED_MS
  }

  canFlush(): boolean {
    return this.#pending.length > 0 && this.#inFlight.size < DELIVERIES_IN_FLIGHT_MAX
  }

  flush(): void {
    while (this.canFlush()) void this.#send(this.#pending.splice(0, DELIVERY_EFFECTS_MAX))
  }

  /** No delivery is under way. */
  isQuiet(): boolean {
    return this.#inFlight.size === 0
  }

  /** In the order in which they were decided. */
  carried(): Required<Pick<CarriedLimiter, 'undelivered' | 'handed'>> {
    return {
      undelivered: [...[...this.#inFlight].flat(), ...this.#pending],
      handed: [...this.#handed.values()],
    }
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
