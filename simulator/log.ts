// The ground truth: an append-only log of every call that arrived, in the order of the decisions.
//
// G1  An entry is written once and never changed.
// G2  Memory holds the last ENTRIES_MAX entries; a file, where one is named, holds all of them.

import { createWriteStream, type WriteStream } from 'node:fs'
import { once } from 'node:events'
import { z } from 'zod'
import { scenarioSchema } from './scenario.ts'

const cost = z.record(z.string(), z.int().nonnegative())
const common = { seq: z.int().positive(), atMs: z.number() }

export const entrySchema = z.discriminatedUnion('kind', [
  /** From here on these limits hold; with `keepsCounters`, groups that were the same before go on as they were. */
  z.strictObject({
    ...common,
    kind: z.literal('scenario'),
    scenario: scenarioSchema,
    keepsCounters: z.boolean(),
  }),
  z.strictObject({
    ...common,
    kind: z.literal('arrival'),
    /** Account and family of the group whose limits decided. */
    key: z.string(),
    endpoint: z.string(),
    cost,
    decision: z.enum(['admitted', 'rejected']),
    /** Index of the first limit that did not fit; null where all did. */
    limit: z.int().nonnegative().nullable(),
    retryAfterMs: z.number().nullable(),
    /** What each limit has left after the decision. */
    remaining: z.array(z.int()),
    /** What becomes of it where a limit (by index) accepts first and sends later. */
    fates: z
      .array(
        z.strictObject({
          limit: z.int().nonnegative(),
          kind: z.enum(['sent', 'expired']),
          atMs: z.number(),
        }),
      )
      .optional(),
    /** What went wrong with it on purpose. */
    fault: z.string().optional(),
  }),
  /** The admitted arrival `call` has produced more, which is charged now. */
  z.strictObject({
    ...common,
    kind: z.literal('debit'),
    call: z.int().positive(),
    key: z.string(),
    cost,
  }),
  /** The admitted arrival `call` was answered, or its caller went away. */
  z.strictObject({
    ...common,
    kind: z.literal('end'),
    call: z.int().positive(),
    key: z.string(),
    actual: cost,
  }),
])

export type Entry = z.infer<typeof entrySchema>
export type Arrival = Extract<Entry, { kind: 'arrival' }>
type WithoutSeq<T> = T extends unknown ? Omit<T, 'seq'> : never

export type Log = {
  /** Number that the next entry will have. */
  readonly nextSeq: number
  append(entry: WithoutSeq<Entry>): void
  /** Entries after `seq`, oldest first. */
  after(seq: number): Iterable<Entry>
  /** Entries that memory no longer holds. */
  readonly droppedCount: number
  close(): Promise<void>
}

const ENTRIES_MAX = 200_000
const DROP_AT_ONCE = 10_000

export function openLog(file: string | null, entriesMax = ENTRIES_MAX): Log {
  const stream: WriteStream | null = file === null ? null : createWriteStream(file, { flags: 'a' })
  let entries: Entry[] = []
  let seq = 0

  return {
    get nextSeq() {
      return seq + 1
    },
    append(entry) {
      seq += 1
      const whole: Entry = { ...entry, seq }
      if (entries.length >= entriesMax) entries = entries.slice(Math.min(DROP_AT_ONCE, entriesMax))
      entries.push(whole)
      stream?.write(`${JSON.stringify(whole)}\n`)
    },
    *after(last) {
      const firstHeld = seq - entries.length + 1
      yield* entries.slice(Math.max(0, last + 1 - firstHeld))
    },
    get droppedCount() {
      return seq - entries.length
    },
    async close() {
      if (stream === null) return
      stream.end()
      await once(stream, 'close')
    },
  }
}
