// What is answered: the state of a reservation as an effect.

import type { LimiterState } from '../book.ts'
import type { Effect, Ignored, Rejection } from '../effect.ts'
import { endingOf, type Ending } from '../endings.ts'
import type { Forecast } from '../forecast.ts'
import type { Granted, Waiting } from '../reservation.ts'

export function grantedEffect(granted: Granted): Effect {
  return {
    kind: 'granted',
    id: granted.id,
    atMs: granted.grantedAtMs,
    startByMs: granted.startByMs,
    expiresAtMs: granted.expiresAtMs,
    demand: granted.demand,
    waitedFor: granted.waitedFor,
    configVersion: granted.configVersion,
  }
}

export function queuedEffect({ nowMs }: LimiterState, waiting: Waiting, ahead: Forecast): Effect {
  const { position, etaMs, blocking } = ahead
  return {
    kind: 'queued',
    id: waiting.id,
    atMs: nowMs,
    position,
    etaMs,
    waitingFor: blocking,
  }
}

export function rejectedEffect(
  { nowMs, configVersion }: LimiterState,
  id: string,
  rejection: Rejection,
): Effect {
  return { kind: 'rejected', id, atMs: nowMs, rejection, configVersion }
}

/** The ending of a reservation that has ended, again; what is left is not told a second time. */
export function endingEffect(state: LimiterState, id: string, ending: Ending): Effect {
  const atMs = state.nowMs
  switch (ending.kind) {
    case 'cancelled':
      return { kind: 'cancelled', id, atMs }
    case 'timed-out':
      return { kind: 'timed-out', id, atMs, waitedFor: null }
    case 'lease-expired':
      return { kind: 'lease-expired', id, atMs }
    case 'settled':
      return { kind: 'settled', id, atMs, left: {}, late: ending.late }
    default:
      return ending satisfies never
  }
}

/** What an operation finds that cannot do anything (U3). */
export function ignored(state: LimiterState, id: string, operation: Ignored['operation']): Effect {
  const found = state.reservations.get(id)
  const ended = endingOf(state.endings, id) === undefined ? 'unknown' : 'ended'
  return { kind: 'ignored', id, atMs: state.nowMs, operation, state: found?.kind ?? ended }
}
