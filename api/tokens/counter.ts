// Counts the tokens of inputs beside the event loop, which answers everybody else meanwhile.
//
// N1  One thread, one text at a time; it starts with the first text, so that who never counts pays nothing.
// N2  What is not counted in time, waiting for its turn included, or finds the queue full, is told by its length: an
//     estimate is never late, and never fails.
// N3  A text that takes too long takes its thread with it; the next one starts another. A thread that still reads its
//     vocabulary is left to it, however slow the machine is.

import { Worker } from 'node:worker_threads'
import type { Json } from '../../domain/failure.ts'
import { extrapolated, textOf, tokensByLength, type CountedText } from '../../domain/tokens.ts'

export const QUEUE_MAX = 64
const WAIT_MS_MAX = 1_000

export type Counted = { readonly tokens: number; readonly by: 'count' | 'length' }

type Countable = { readonly input: Json; readonly resources: object | null }

type Job = {
  readonly counted: CountedText
  readonly timer: NodeJS.Timeout
  readonly resolve: (counted: Counted) => void
}

export class TokenCounter {
  readonly #waitMsMax: number
  /** The first one is at the thread. */
  #jobs: readonly Job[] = []
  #thread: Worker | null = null
  #isReady = false
  #isClosed = false

  constructor({ waitMsMax = WAIT_MS_MAX }: { readonly waitMsMax?: number } = {}) {
    this.#waitMsMax = waitMsMax
  }

  /** Tokens of an input; never rejects. */
  async count(input: Json): Promise<Counted> {
    const counted = textOf(input)
    if (counted.length === 0) return { tokens: 0, by: 'count' }
    if (this.#isClosed || this.#jobs.length >= QUEUE_MAX) return byLength(counted)
    return await new Promise((resolve) => {
      const timer = setTimeout(() => this.#giveUp([job]), this.#waitMsMax)
      const job: Job = { counted, timer, resolve }
      this.#jobs = [...this.#jobs, job]
      if (this.#jobs.length === 1) this.#send(job)
    })
  }

  /** Tokens of what is asked; null where it says itself what it needs, or has no input. */
  async countAsked({ input, resources }: Countable): Promise<Counted | null> {
    return input === null || resources !== null ? null : await this.count(input)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    const thread = this.#thread
    this.#giveUp(this.#jobs)
    await thread?.terminate()
  }

  /** A thread that is not ready gets the first text once it is. */
  #send({ counted }: Job): void {
    if (this.#thread === null) this.#thread = this.#start()
    else if (this.#isReady) this.#thread.postMessage(counted.text)
  }

  #start(): Worker {
    const thread = new Worker(new URL('thread.ts', import.meta.url))
    // It keeps no process alive: who waits for a count does.
    thread.unref()
    thread.on('message', (message: 'ready' | number) => {
      if (thread === this.#thread) this.#hear(message)
    })
    // What the thread cannot do, the length does: a broken thread must not break requests.
    thread.on('error', () => {
      if (thread !== this.#thread) return
      this.#drop()
      this.#giveUp(this.#jobs)
    })
    return thread
  }

  #hear(message: 'ready' | number): void {
    if (message === 'ready') this.#isReady = true
    else this.#done(message)
    const [next] = this.#jobs
    if (next !== undefined) this.#send(next)
  }

  #done(tokens: number): void {
    const [job, ...rest] = this.#jobs
    this.#jobs = rest
    if (job === undefined) return
    clearTimeout(job.timer)
    job.resolve({ tokens: extrapolated(job.counted, tokens), by: 'count' })
  }

  /** These go by their length; where one of them is at the thread, the thread ends with it (N3). */
  #giveUp(jobs: readonly Job[]): void {
    const [running] = this.#jobs
    this.#jobs = this.#jobs.filter((job) => !jobs.includes(job))
    for (const { timer, counted, resolve } of jobs) {
      clearTimeout(timer)
      resolve(byLength(counted))
    }
    if (running === undefined || !jobs.includes(running) || !this.#isReady) return
    void this.#thread?.terminate()
    this.#drop()
    const [next] = this.#jobs
    if (next !== undefined) this.#send(next)
  }

  #drop(): void {
    this.#thread = null
    this.#isReady = false
  }
}

function byLength(counted: CountedText): Counted {
  return { tokens: tokensByLength(counted), by: 'length' }
}
