// A request's states, and what it may become: the one place that says so.
//
// R1  refused | admitted -> [deferred] -> waiting -> granted -> executing -> completed | failed | cancelled | expired
// R2  A final state is never left.
// R3  A reservation without a worker has the wire's names for the same states (`reservationState`).

export const REQUEST_STATES = [
  'admitted',
  'deferred',
  'waiting',
  'granted',
  'executing',
  'completed',
  'failed',
  'cancelled',
  'expired',
  'refused',
] as const
export type RequestState = (typeof REQUEST_STATES)[number]

export const FINAL_STATES = ['completed', 'failed', 'cancelled', 'expired', 'refused'] as const
export type FinalState = (typeof FINAL_STATES)[number]

export function isFinal(state: RequestState): state is FinalState {
  return (FINAL_STATES as readonly RequestState[]).includes(state)
}

export const ACCURACIES = ['high', 'standard'] as const
export type Accuracy = (typeof ACCURACIES)[number]

/** `execution`: a worker does it. `reservation`: the holder works by itself (`/internal/reserve`). */
export type RequestKind = 'execution' | 'reservation'
