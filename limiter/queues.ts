// How long the queues are, by resource and by queue class.
//
// QS1  All that wait are gone through once in the order of now; what each has ahead of it gives its ETA, and that its
//      class. A client at its cap starts at a time that nobody can tell.

import { queueClassOf, type QueueClass } from '../domain/priority.ts'
import type { LimiterState } from './book.ts'
import { isAtCap } from './client.ts'
import { lastToAdmit, toldMs, type Ahead } from './forecast.ts'
import { standingOf, wantsOf } from './order/lane.ts'
import { isAhead } from './order/score.ts'

export type Depth = { readonly depth: number; readonly oldestAgeMs: number; readonly averageAgeMs: number }

export type Queues = {
  readonly resources: Readonly<Record<string, Depth>>
  readonly classes: Readonly<Record<QueueClass, Depth>>
}

type Tally = { depth: number; oldestAgeMs: number; ageMs: number }

export function queues(state: LimiterState, atMs: number): Queues {
  const whenMs = Math.max(state.nowMs, atMs)
  const ahead: Ahead = new Map()
  const resources = new Map([...state.accounts.keys()].map((id) => [id, newTally()]))
  const classes = {
    immediate: newTally(),
    fast: newTally(),
    normal: newTally(),
    batch: newTally(),
    deferred: newTally(),
  }
  const waiting = [...state.reservations.values()]
    .filter((found) => found.kind === 'waiting')
    .map((found) => ({ found, standing: standingOf(found) }))
    .sort((a, b) => (isAhead(a.standing, b.standing, whenMs) ? -1 : 1))
  for (const { found, standing } of waiting) {
    const isHeldBack = state.paused || isAtCap(found.lane.client)
    const blocking = lastToAdmit(wantsOf(found), ahead, whenMs)
    const etaMs = isHeldBack ? null : toldMs(state, blocking, standing.points, whenMs)
    const ageMs = whenMs - found.enqueuedAtMs
    count(classes[queueClassOf(etaMs === null ? null : etaMs - whenMs)], ageMs)
    for (const { account, pools, units } of wantsOf(found)) {
      const tally = resources.get(account.resource.id)
      if (tally !== undefined) count(tally, ageMs)
      for (const pool of isHeldBack ? [] : pools) {
        const before = ahead.get(pool) ?? { units: 0, count: 0 }
        ahead.set(pool, { units: before.units + units, count: before.count + 1 })
      }
    }
  }
  return {
    resources: Object.fromEntries([...resources].map(([id, tally]) => [id, depthOf(tally)])),
    classes: {
      immediate: depthOf(classes.immediate),
      fast: depthOf(classes.fast),
      normal: depthOf(classes.normal),
      batch: depthOf(classes.batch),
      deferred: depthOf(classes.deferred),
    },
  }
}

function newTally(): Tally {
  return { depth: 0, oldestAgeMs: 0, ageMs: 0 }
}

function count(tally: Tally, ageMs: number): void {
  tally.depth += 1
  tally.oldestAgeMs = Math.max(tally.oldestAgeMs, ageMs)
  tally.ageMs += ageMs
}

function depthOf({ depth, oldestAgeMs, ageMs }: Tally): Depth {
  return { depth, oldestAgeMs, averageAgeMs: depth === 0 ? 0 : Math.floor(ageMs / depth) }
}
