// The only door: one event in, its effects out.
//
// X0  `state` belongs to the caller and is changed in place: a copy a step would cost time in the number of waiting.
// X4  The same events from the same state give the same effects, also over encode and restore at any point.
// X5  Expected endings are effects; only a broken invariant throws.

import { adopt } from './apply/adopt.ts'
import { boost, cancel } from './apply/cancel.ts'
import { configure } from './apply/configure.ts'
import { observe, throttle } from './apply/feedback.ts'
import { conclude, reserve } from './apply/reserve.ts'
import { grantedEffect } from './apply/answer.ts'
import { extend, settle } from './apply/settle.ts'
import { advance, giveUp } from './apply/time.ts'
import type { LimiterState } from './book.ts'
import { drain } from './drain.ts'
import type { Effect } from './effect.ts'
import type { LimiterEvent } from './event.ts'
import { EPOCH_MS } from './order/fairness.ts'

/** Applies the event at `max(event.atMs, the latest time told)` and grants whatever may start then. */
export function step(state: LimiterState, event: LimiterEvent): readonly Effect[] {
  const passed = advance(state, event.atMs)
  const answers = apply(state, event)
  const effects = [...passed, ...answers, ...pass(state)]
  if (event.kind === 'reserve' && answers.length === 0) {
    const answer = conclude(state, event.id)
    if (answer !== null) effects.push(answer)
    // Whoever was refused may have stood in the way of others.
    if (answer?.kind === 'rejected') effects.push(...pass(state))
  }
  const late = giveUp(state, state.nowMs)
  return late.length === 0 ? effects : [...effects, ...late, ...pass(state)]
}

function pass(state: LimiterState): readonly Effect[] {
  return drain(state).map(grantedEffect)
}

function apply(state: LimiterState, event: LimiterEvent): readonly Effect[] {
  switch (event.kind) {
    case 'reserve':
      return reserve(state, event)
    case 'settle':
      return [settle(state, event)]
    case 'cancel':
      return [cancel(state, event)]
    case 'extend':
      return [extend(state, event)]
    case 'boost':
      return boost(state, event)
    case 'throttle':
      throttle(state, event)
      return []
    case 'observe':
      return observe(state, event)
    case 'configure':
      return configure(state, event)
    case 'pause':
      state.paused = event.paused
      return [{ kind: 'paused', paused: event.paused, atMs: state.nowMs }]
    case 'adopt':
      adopt(state, event)
      return []
    case 'tick':
      return []
    default:
      return event satisfies never
  }
}

/**
 * Earliest time at which a tick could change something: a blocked head may start, a lease or a wait ends, an age
 * reaches its mark, fairness points recover. Null where nothing waits and no lease runs.
 */
export function nextWakeMs(state: LimiterState): number | null {
  const lease = state.leases.top()
  const deadline = state.deadlines.top()
  const times = [state.startAtMs, lease?.expiresAtMs ?? null, deadline?.deadlineMs ?? null]
  if (!state.paused && deadline !== undefined)
    times.push(state.rekeys.top()?.rekeyAtMs ?? null, recoveryMs(state))
  const known = times.filter((time) => time !== null)
  return known.length === 0 ? null : Math.min(...known)
}

/** The next minute, where somebody who waits lacks fairness points. */
function recoveryMs({ recovering, epoch }: LimiterState): number | null {
  return recovering.size === 0 ? null : (epoch + 1) * EPOCH_MS
}
