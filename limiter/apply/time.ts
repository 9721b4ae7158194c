// Time passes: leases end, waiting ends, ages reach their marks.
//
// M1  A lease that has run out gives back its slots, never what was charged.
// M2  What could start at its deadline is given the chance before it gives up: deadlines that have passed go before
//     the pass over the queue, those of this very moment after it.

import type { LimiterState } from '../book.ts'
import type { Effect } from '../effect.ts'
import { forgetOld, remember, TIMED_OUT } from '../endings.ts'
import { endLease } from '../grant.ts'
import { dequeue, enterEpoch, place } from '../queue.ts'

/** Moves the state to `atMs`, or leaves it where that is in the past (K3). */
export function advance(state: LimiterState, atMs: number): readonly Effect[] {
  state.nowMs = Math.max(state.nowMs, atMs)
  forgetOld(state.endings, state.nowMs)
  enterEpoch(state)
  const effects = [...endLeases(state), ...giveUp(state, state.nowMs - 1)]
  for (let lane = state.rekeys.top(); lane !== undefined; lane = state.rekeys.top()) {
    if (lane.rekeyAtMs > state.nowMs) break
    place(state, lane)
  }
  return effects
}

function endLeases(state: LimiterState): readonly Effect[] {
  const effects: Effect[] = []
  for (let lease = state.leases.top(); lease !== undefined; lease = state.leases.top()) {
    if (lease.expiresAtMs > state.nowMs) break
    const { id, grantedAtMs, demand, pools, booked, clientId } = lease
    endLease(state, lease)
    remember(
      state.endings,
      id,
      { kind: 'lease-expired', grantedAtMs, demand, pools, booked, clientId },
      state.nowMs,
    )
    effects.push({ kind: 'lease-expired', id, atMs: state.nowMs })
  }
  return effects
}

/** Times out what may wait until `untilMs` at most. */
export function giveUp(state: LimiterState, untilMs: number): readonly Effect[] {
  const effects: Effect[] = []
  for (let first = state.deadlines.top(); first !== undefined; first = state.deadlines.top()) {
    if (first.deadlineMs > untilMs) break
    dequeue(state, first)
    remember(state.endings, first.id, TIMED_OUT, state.nowMs)
    effects.push({ kind: 'timed-out', id: first.id, atMs: state.nowMs, waitedFor: first.blocking })
  }
  return effects
}
