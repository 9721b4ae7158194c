// Tells every process which requests changed, so that nobody polls: one NOTIFY for many ids.
//
// N1  Announce after the commit: whoever hears of a change can read it.
// N2  One NOTIFY is under way at a time; ids that come meanwhile go together in the next one.
// N3  Nothing depends on a notification: who waits also looks again every RECHECK_MS.

import type { Sql } from './ledger/database.ts'
import type { Listener } from './ledger/listener.ts'

const CHANNEL = 'rm_changed'
/** Postgres takes less than 8,000. */
const PAYLOAD_BYTES_MAX = 7_900
const SEPARATOR = ','
const RECHECK_MS = 1_000

export class Announcements {
  readonly #sql: Sql
  readonly #listeners = new Map<string, Set<() => void>>()
  #listening: Listener | null = null
  #pending = new Set<string>()
  #flushing: Promise<void> | null = null

  constructor(sql: Sql) {
    this.#sql = sql
  }

  /** Listens to the other processes, on a connection of its own that comes back by itself. */
  async start(): Promise<void> {
    this.#listening = await this.#sql.listen(CHANNEL, (payload) => this.#emit(payload.split(SEPARATOR)))
  }

  async stop(): Promise<void> {
    await this.#flushing
    await this.#listening?.stop()
    this.#listening = null
  }

  /** Resolves when the other processes were told; those who wait in this one hear it at once. */
  async announce(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return
    this.#emit(ids)
    for (const id of ids) this.#pending.add(id)
    // Ids that come while a flush is under way may have missed it: they wait for the next one (N2).
    await this.#flushing
    while (ids.some((id) => this.#pending.has(id))) {
      this.#flushing ??= this.#flush().finally(() => {
        this.#flushing = null
      })
      await this.#flushing
    }
  }

  /** What `read` gives as soon as it is not null: looks at once, at each announcement of `id`, and now and then. Null at the timeout. */
  async waitFor<T>(id: string, read: () => Promise<T | null>, timeoutMs: number): Promise<T | null> {
    return await this.#wait(id, { act: null, read, timeoutMs })
  }

  /** The same for what `act` brings about: there is nothing to look at before the first announcement since it began. */
  async waitAfter<T>(
    id: string,
    act: () => Promise<void>,
    { read, timeoutMs }: { readonly read: () => Promise<T | null>; readonly timeoutMs: number },
  ): Promise<T | null> {
    return await this.#wait(id, { act, read, timeoutMs })
  }

  async #wait<T>(id: string, { act, read, timeoutMs }: Wait<T>): Promise<T | null> {
    const bell = new Bell()
    this.#subscribe(id, bell.ring)
    try {
      await act?.()
      const untilMs = performance.now() + timeoutMs
      if (act !== null) await bell.heard(Math.min(timeoutMs, RECHECK_MS))
      for (;;) {
        bell.rearm()
        const value = await read()
        if (value !== null) return value
        const leftMs = untilMs - performance.now()
        if (leftMs <= 0) return null
        await bell.heard(Math.min(leftMs, RECHECK_MS))
      }
    } finally {
      this.#unsubscribe(id, bell.ring)
    }
  }

  async #flush(): Promise<void> {
    const ids = [...this.#pending]
    this.#pending = new Set()
    // Nothing is lost with a notification (N3), so that its commit, which all others queue behind, need not wait for the disk.
    await this.#sql`
      select set_config('synchronous_commit', 'off', true), pg_notify(${CHANNEL}, payload)
      from unnest(${payloadsOf(ids)}::text[]) as payload`
  }

  #emit(ids: readonly string[]): void {
    for (const id of ids) for (const ring of this.#listeners.get(id) ?? []) ring()
  }

  #subscribe(id: string, ring: () => void): void {
    const rings = this.#listeners.get(id) ?? new Set()
    this.#listeners.set(id, rings.add(ring))
  }

  #unsubscribe(id: string, ring: () => void): void {
    const rings = this.#listeners.get(id)
    rings?.delete(ring)
    if (rings?.size === 0) this.#listeners.delete(id)
  }
}

type Wait<T> = {
  readonly act: (() => Promise<void>) | null
  readonly read: () => Promise<T | null>
  readonly timeoutMs: number
}

/** Remembers that it rang, so that nothing is missed between looking and waiting. */
class Bell {
  #hasRung = false
  #wake: (() => void) | null = null

  readonly ring = (): void => {
    this.#hasRung = true
    this.#wake?.()
  }

  rearm(): void {
    this.#hasRung = false
  }

  async heard(timeoutMs: number): Promise<void> {
    if (this.#hasRung) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
    this.#wake = null
  }
}

/** Ids joined, in as few payloads as they need. Ids are ASCII: characters are bytes. */
function payloadsOf(ids: readonly string[]): string[] {
  const payloads: string[] = []
  let payload = ''
  for (const id of ids) {
    const longer = payload === '' ? id : `${payload}${SEPARATOR}${id}`
    if (longer.length <= PAYLOAD_BYTES_MAX) payload = longer
    else {
      payloads.push(payload)
      payload = id
    }
  }
  return payload === '' ? payloads : [...payloads, payload]
}
