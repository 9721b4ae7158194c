// cancel and boost: what may be done to a reservation that waits.
//
// X1  A waiting reservation leaves the queue; a granted one is settled, not cancelled.
// X2  A cancel of an unknown id is remembered, so that a reserve that arrives later is void.
// X3  Boosts add up within +-BOOST_POINTS_MAX.

import type { LimiterState } from '../book.ts'
import type { Effect } from '../effect.ts'
import { CANCELLED, endingOf, remember } from '../endings.ts'
import type { Boost, Cancel } from '../event.ts'
import { changeBoost, dequeue } from '../queue.ts'
import { ignored } from './answer.ts'

export const BOOST_POINTS_MAX = 100

export function cancel(state: LimiterState, { id }: Cancel): Effect {
  const found = state.reservations.get(id)
  if (found?.kind === 'waiting') {
    dequeue(state, found)
    remember(state.endings, id, CANCELLED, state.nowMs)
    return { kind: 'cancelled', id, atMs: state.nowMs }
  }
  const effect = ignored(state, id, 'cancel')
  if (found === undefined && endingOf(state.endings, id) === undefined) {
    remember(state.endings, id, CANCELLED, state.nowMs)
  }
  return effect
}

/** Nothing is told where it worked: the order has changed, that is all. */
export function boost(state: LimiterState, { id, points }: Boost): readonly Effect[] {
  const found = state.reservations.get(id)
  if (found?.kind !== 'waiting') return [ignored(state, id, 'boost')]
  const total = found.lane.boost + points
  changeBoost(state, found, Math.max(-BOOST_POINTS_MAX, Math.min(BOOST_POINTS_MAX, total)))
  return []
}
