// What one decision of the limiter changes of a request's row. Pure; decisions are applied in their order.
//
// D1  A decision on an older generation, or one that repeats itself, changes nothing: states only move forward.
// D2  The limiter ends reservations by itself; an execution is ended by its own workflow, which is told. What it rejects
//     is refused, whatever it is, unless a worker has been called before: then there is a use to settle.
// D3  A reservation whose lease ended gives its holds back, unless its holder said that the use is unknown.

import { isFinal, type RequestKind, type RequestState } from '../../domain/request.ts'
import type { Json, Refusal } from '../../domain/failure.ts'
import type { RequestError, ReservationOutcome } from '../../domain/report.ts'
import type { Blocking, Effect } from '../../limiter/effect.ts'
import { refusalOfRejection } from '../../limiter/refusal.ts'

/** The part of the row that the limiter's decisions change. */
export type Decided = {
  readonly id: string
  readonly kind: RequestKind
  readonly state: RequestState
  readonly generation: number
  readonly admission: number
  readonly outcome: ReservationOutcome | null
  readonly position: number | null
  readonly eta: number | null
  readonly waitingFor: Blocking | null
  readonly waitedFor: Blocking | null
  readonly decidedVersion: number | null
  readonly grantedAt: number | null
  readonly startBy: number | null
  readonly expiresAt: number | null
  readonly leftUnits: Readonly<Record<string, number>> | null
  readonly isLate: boolean
  readonly endedAt: number | null
  readonly error: RequestError | null
  readonly refusal: Refusal | null
}

/** An effect that names a reservation. */
export type EffectOnOne = Extract<Effect, { readonly id: string }>

export type Applied = {
  readonly row: Decided
  readonly event: { readonly state: RequestState; readonly atMs: number; readonly detail: Json } | null
}

const NOT_PLACED = { position: null, eta: null, waitingFor: null }

/** Null where nothing changes (D1). */
export function applyEffect(row: Decided, effect: EffectOnOne): Applied | null {
  switch (effect.kind) {
    case 'granted': {
      if (!isBeforeGrant(row)) return null
      const { atMs, startByMs, expiresAtMs, waitedFor, configVersion } = effect
      const granted = { grantedAt: atMs, startBy: startByMs, expiresAt: expiresAtMs, waitedFor }
      return changed(
        { ...row, ...NOT_PLACED, ...granted, decidedVersion: configVersion, state: 'granted' },
        effect,
      )
    }
    case 'queued': {
      if (!isBeforeGrant(row)) return null
      const { position, etaMs, waitingFor } = effect
      const next: Decided = { ...row, state: 'waiting', position, eta: etaMs, waitingFor }
      return row.state === 'waiting' ? { row: next, event: null } : changed(next, effect)
    }
    case 'rejected': {
      if (!isBeforeGrant(row)) return null
      const decided = { ...row, ...NOT_PLACED, decidedVersion: effect.configVersion }
      if (hasBeenCalled(row)) return { row: decided, event: null }
      const refusal = refusalOfRejection(effect.rejection)
      return changed(ended({ ...decided, refusal, state: 'refused' }, effect), effect)
    }
    case 'timed-out': {
      if (!isBeforeGrant(row)) return null
      const waited = { ...row, ...NOT_PLACED, waitedFor: effect.waitedFor }
      if (row.kind === 'execution') return { row: waited, event: null }
      const error = { code: 'max-wait', detail: 'not granted within its longest wait' }
      return changed(ended({ ...waited, error, state: 'expired' }, effect), effect)
    }
    case 'cancelled':
      if (!isBeforeGrant(row) || row.kind === 'execution') return null
      return changed(ended({ ...row, ...NOT_PLACED, state: 'cancelled' }, effect), effect)
    case 'lease-expired': {
      if (isFinal(row.state) || row.kind === 'execution') return null
      const error = { code: 'lease-expired', detail: 'the lease ended before the reservation was released' }
      return changed(ended({ ...row, error, state: 'expired' }, effect), effect)
    }
    case 'settled':
      return { row: { ...row, leftUnits: effect.left, isLate: row.isLate || effect.late }, event: null }
    case 'extended':
      return isFinal(row.state) ? null : { row: { ...row, expiresAt: effect.expiresAtMs }, event: null }
    case 'ignored':
      return null
    default:
      return effect satisfies never
  }
}

/** An execution that queued again after a grant. */
function hasBeenCalled({ kind, generation, admission }: Decided): boolean {
  return kind === 'execution' && generation > admission
}

function isBeforeGrant({ state }: Decided): boolean {
  return state === 'waiting' || state === 'deferred'
}

function ended(row: Decided, { atMs }: EffectOnOne): Decided {
  return { ...row, endedAt: atMs }
}

function changed(row: Decided, { atMs }: EffectOnOne): Applied {
  const detail: Json =
    row.refusal === null ? (row.error === null ? null : { ...row.error }) : { ...row.refusal }
  return { row, event: { state: row.state, atMs, detail } }
}
