// How many requests wait for a resource, well enough to refuse one more at once. The limiter counts exactly.
//
// Q1  What this process admits is added to the last count, so one process alone never admits more than may wait.
// Q2  Where those who come now would not all fit it is counted anew: a queue is told to be full only by a count.
// Q3  Others' admissions, and everything that left the queue, are seen within RECOUNT_MS.

import type { Queries } from './database.ts'

const RECOUNT_MS = 250

type Depth = { readonly count: number; readonly atMs: number }

/** What is asked: the resource and its `maxQueue`. */
export type QueueLimit = readonly [resourceId: string, maxQueue: number]

export class QueueDepths {
  readonly #depths = new Map<string, Depth>()

  /** By resource, for those who come now, one limit for each; counts go up to `maxQueue` at most. */
  async waiting(sql: Queries, asked: readonly QueueLimit[]): Promise<Readonly<Record<string, number>>> {
    const nowMs = performance.now()
    const coming: Record<string, number> = {}
    for (const [id] of asked) coming[id] = (coming[id] ?? 0) + 1
    const limits = [...new Map(asked).entries()]
    const due = limits.filter(([id, maxQueue]) => {
      const depth = this.#depths.get(id)
      if (depth === undefined || nowMs - depth.atMs >= RECOUNT_MS) return true
      return depth.count + (coming[id] ?? 0) > maxQueue
    })
    // Whoever comes while it is counted goes by the count before, unless that was full.
    for (const [id] of due) {
      const depth = this.#depths.get(id)
      if (depth !== undefined) this.#depths.set(id, { ...depth, atMs: nowMs })
    }
    if (due.length > 0) await this.#count(sql, due, nowMs)
    return Object.fromEntries(limits.map(([id]) => [id, this.#depths.get(id)?.count ?? 0]))
  }

  /** One more waits for each of these (Q1). */
  add(resourceIds: readonly string[]): void {
    for (const id of resourceIds) {
      const depth = this.#depths.get(id)
      if (depth !== undefined) this.#depths.set(id, { ...depth, count: depth.count + 1 })
    }
  }

  async #count(sql: Queries, limits: readonly QueueLimit[], atMs: number): Promise<void> {
    const ids = limits.map(([id]) => id)
    const most = limits.map(([, maxQueue]) => maxQueue)
    const rows = await sql<{ id: string; count: number }[]>`
      select wanted.id, (select count(*)
                  from (select from request where state = 'waiting' and demand ? wanted.id limit most) as counted) as count
      from unnest(${ids}::text[], ${most}::integer[]) as wanted (id, most)`
    for (const { id, count } of rows) this.#depths.set(id, { count, atMs })
  }
}
