// The limiter's published state: written by the process that runs the limiter, read by every other.
//
// V1  A reader never asks the limiter; what it sees is at most READ_EVERY_MS + WRITE_EVERY_MS + one write older than the
//     truth, and not older at all in the process that runs the limiter.
// V2  An older state never replaces a newer one.

import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from 'pino'
import { createState, restore, type LimiterState } from '../limiter/state.ts'
import type { Sql } from './ledger/database.ts'
import { readLimiterView, writeLimiterView } from './ledger/limiter-view.ts'

const READ_EVERY_MS = 250
const WRITE_EVERY_MS = 100

export class LimiterView {
  readonly #sql: Sql
  readonly #group: string
  readonly #log: Logger
  #asOfMs = 0
  #snapshot: string | null = null
  #state: LimiterState = createState()
  #isRestored = true
  #readAtMs = 0
  #writing: Promise<void> | null = null
  #isWritten = true

  constructor(sql: Sql, group: string, log: Logger) {
    this.#sql = sql
    this.#group = group
    this.#log = log
  }

  /** Takes a state from the limiter of this process; writes it for the others, the newest one only. */
  publish(asOfMs: number, snapshot: string): void {
    this.#take(asOfMs, snapshot)
    this.#isWritten = false
    this.#writing ??= this.#write().finally(() => {
      this.#writing = null
    })
  }

  /** The newest known state; read only: it belongs to this view. */
  async current(): Promise<LimiterState> {
    const nowMs = Date.now()
    if (nowMs - this.#readAtMs >= READ_EVERY_MS) {
      const published = await readLimiterView(this.#sql, this.#group, this.#asOfMs)
      this.#readAtMs = nowMs
      if (published !== null) this.#take(published.asOfMs, published.snapshot)
    }
    if (!this.#isRestored && this.#snapshot !== null) {
      this.#state = restore(JSON.parse(this.#snapshot))
      this.#isRestored = true
    }
    return this.#state
  }

  /** Resolves when everything published so far is written. */
  async flush(): Promise<void> {
    await this.#writing
  }

  #take(asOfMs: number, snapshot: string): void {
    if (asOfMs < this.#asOfMs) return
    this.#asOfMs = asOfMs
    this.#snapshot = snapshot
    this.#isRestored = false
  }

  async #write(): Promise<void> {
    while (this.#snapshot !== null && !this.#isWritten) {
      this.#isWritten = true
      try {
        await writeLimiterView(this.#sql, this.#group, this.#asOfMs, this.#snapshot)
        await delay(WRITE_EVERY_MS)
      } catch (error) {
        // The next state that is published is written instead; until then readers see an older one.
        this.#log.warn({ error, group: this.#group }, 'the state of the limiter was not published')
        return
      }
    }
  }
}
