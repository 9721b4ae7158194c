// The longest wait over its bound: wait <= 10 min + max over its resources (Q + a + a_max) / (g * r).
//
// N1  Q are the units of starving requests that were granted between the mark of 10 minutes and its own grant; a its
//     own units, a_max the most that anybody asked for; g the guaranteed share, r the rate of the slowest limit.
// N2  Who was not granted waited until it left, or until the end.
// N3  A resource whose units are not limited by time is left out: its rate is its holders'.

import { STARVING_AFTER_MS } from '../../../domain/priority.ts'
import { RESOURCE_DEFAULTS } from '../../../domain/resource.ts'
import type { Asked, Fact } from '../facts.ts'
import { rateOf } from '../rates.ts'
import type { Figures } from './figure.ts'

const WHOLE = 10_000

type Pool = {
  /** Units a millisecond: g * r. The least that ever held. */
  guaranteed: number
  largest: number
  /** Units of starving requests granted so far, by time. */
  readonly times: number[]
  readonly totals: number[]
}

export function openStarvation() {
  const pools = new Map<string, Pool>()
  let worst: number | null = null
  let longestMs = 0

  function poolOf(id: string): Pool {
    const known = pools.get(id)
    if (known !== undefined) return known
    const pool = { guaranteed: Infinity, largest: 0, times: [], totals: [] }
    pools.set(id, pool)
    return pool
  }

  function waited({ demand, askedAtMs }: Asked, atMs: number): void {
    const waitMs = atMs - askedAtMs
    longestMs = Math.max(longestMs, waitMs)
    const starvingMs = askedAtMs + STARVING_AFTER_MS
    let behindMs = 0
    for (const [id, units] of demand) {
      const { guaranteed, largest, times, totals } = poolOf(id)
      if (guaranteed === 0 || guaranteed === Infinity) continue
      const before = totalAt(times, totals, atMs) - totalAt(times, totals, starvingMs)
      behindMs = Math.max(behindMs, (Math.max(0, before) + units + largest) / guaranteed)
    }
    worst = Math.max(worst ?? 0, waitMs / (STARVING_AFTER_MS + behindMs))
  }

  return {
    note(fact: Fact): void {
      const { atMs } = fact
      switch (fact.kind) {
        case 'configured':
          for (const resource of fact.resources) {
            const { units: rate } = rateOf(resource)
            const part = (resource.guaranteedShare ?? RESOURCE_DEFAULTS.guaranteedShare) / WHOLE
            const pool = poolOf(resource.id)
            if (rate !== null) pool.guaranteed = Math.min(pool.guaranteed, part * rate)
          }
          return
        case 'asked':
          for (const [id, units] of fact.request.demand) {
            const pool = poolOf(id)
            pool.largest = Math.max(pool.largest, units)
          }
          return
        case 'granted': {
          const { request } = fact
          waited(request, atMs)
          if (atMs - request.askedAtMs < STARVING_AFTER_MS) return
          for (const [id, units] of request.demand) {
            const { times, totals } = poolOf(id)
            times.push(atMs)
            totals.push((totals.at(-1) ?? 0) + units)
          }
          return
        }
        case 'left':
          return waited(fact.request, atMs)
        case 'over':
          for (const request of fact.waiting) waited(request, atMs)
          return
        case 'queued':
        case 'ended':
          return
        default:
          return fact satisfies never
      }
    },
    figures(): Figures {
      return { starvation: worst, 'longest-wait': worst === null ? null : longestMs / 1_000 }
    },
  }
}

/** The total as of a time, by halving. */
function totalAt(times: readonly number[], totals: readonly number[], atMs: number): number {
  let [low, high] = [0, times.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((times[middle] ?? 0) <= atMs) low = middle + 1
    else high = middle
  }
  return totals[low - 1] ?? 0
}
