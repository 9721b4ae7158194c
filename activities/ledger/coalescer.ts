// Takes what concurrent callers ask into batches, at our own pace.
//
// C1  What is asked in one turn of the event loop goes together, at once while fewer than `inFlightMax` batches are
//     under way; what comes meanwhile goes with the next one. Nobody waits for a batch to fill.
// C2  A batch has at most `batchMax`, in the order of their arrival; no two of the same key are under way at once.
// C3  A batch of several that fails is tried again one by one, all at once: one's failure is nobody else's.
// C4  At most WAITING_MAX wait; one more fails, so that a dead database costs no memory.

import type { Sql } from './database.ts'

export const WAITING_MAX = 10_000

type Options<Asked, Answer> = {
  /** Answers in the order of what was asked. May be made twice for the same (C3). */
  readonly run: (batch: readonly Asked[]) => Promise<readonly Answer[]>
  /** Null: it may be under way beside any other. */
  readonly keyOf: (asked: Asked) => string | null
  readonly batchMax: number
  readonly inFlightMax: number
}

type Waiting<Asked, Answer> = {
  readonly asked: Asked
  readonly key: string | null
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: unknown) => void
}

export class Coalescer<Asked, Answer> {
  readonly #options: Options<Asked, Answer>
  #waiting: Waiting<Asked, Answer>[] = []
  readonly #keysInFlight = new Set<string>()
  #inFlight = 0
  #isDue = false

  constructor(options: Options<Asked, Answer>) {
    this.#options = options
  }

  async submit(asked: Asked): Promise<Answer> {
    if (this.#waiting.length >= WAITING_MAX) {
      throw new Error(`${WAITING_MAX} operations wait for the ledger already`)
    }
    const answer = new Promise<Answer>((resolve, reject) => {
      this.#waiting.push({ asked, key: this.#options.keyOf(asked), resolve, reject })
    })
    this.#sendSoon()
    return await answer
  }

  #sendSoon(): void {
    if (this.#isDue || this.#waiting.length === 0) return
    this.#isDue = true
    setImmediate(() => {
      this.#isDue = false
      while (this.#inFlight < this.#options.inFlightMax) {
        const batch = this.#takeBatch()
        if (batch.length === 0) return
        void this.#send(batch)
      }
    })
  }

  #takeBatch(): readonly Waiting<Asked, Answer>[] {
    const batch: Waiting<Asked, Answer>[] = []
    const left: Waiting<Asked, Answer>[] = []
    for (const one of this.#waiting) {
      const isFree = one.key === null || !this.#keysInFlight.has(one.key)
      if (batch.length < this.#options.batchMax && isFree) {
        if (one.key !== null) this.#keysInFlight.add(one.key)
        batch.push(one)
      } else left.push(one)
    }
    this.#waiting = left
    return batch
  }

  async #send(batch: readonly Waiting<Asked, Answer>[]): Promise<void> {
    this.#inFlight += 1
    try {
      await this.#answer(batch)
    } catch {
      // Told to each of those that fail alone too (C3).
      await Promise.all(batch.map((one) => this.#answer([one]).catch(one.reject)))
    }
    this.#inFlight -= 1
    for (const { key } of batch) if (key !== null) this.#keysInFlight.delete(key)
    this.#sendSoon()
  }

  async #answer(batch: readonly Waiting<Asked, Answer>[]): Promise<void> {
    const answers = await this.#options.run(batch.map(({ asked }) => asked))
    for (const [nth, { resolve, reject }] of batch.entries()) {
      const answer = answers[nth]
      if (answer === undefined) reject(new Error('a batch left one without an answer'))
      else resolve(answer)
    }
  }
}

/** One for each pool, for as long as it lives: a process speaks to the ledger through one pool. */
export function perPool<T extends object>(make: (sql: Sql) => T): (sql: Sql) => T {
  const made = new WeakMap<Sql, T>()
  return (sql) => {
    const one = made.get(sql) ?? make(sql)
    made.set(sql, one)
    return one
  }
}
