// Every way in which the system says no: the codes of the wire and the types of failures inside Temporal.

export const PROBLEM_CODES = [
  'invalid-request',
  'unauthenticated',
  'forbidden',
  'client-paused',
  'not-found',
  'conflict',
  'idempotency-mismatch',
  'precondition-failed',
  'precondition-required',
  'method-not-allowed',
  'unsupported-media-type',
  'too-large',
  'impossible',
  'unknown-resource',
  'unknown-price',
  'unknown-client',
  'unknown-tier',
  'unknown-worker',
  'unknown-template',
  'cost-limit',
  'budget-exceeded',
  'insufficient-resources',
  'queue-full',
  'unavailable',
  'internal',
] as const
export type ProblemCode = (typeof PROBLEM_CODES)[number]

/** A no with its reason: `members` are the problem's further members as they go over the wire. */
export type Refusal = {
  readonly code: ProblemCode
  readonly detail: string
  readonly members: Readonly<Record<string, Json>>
}

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json }

/** `type` of every ApplicationFailure that we throw; compared by type, never by class. */
export const FAILURE_TYPES = [
  /** The call used nothing and may be made again under the same grant. Every other ending of a call is a value. */
  'WorkerRetryable',
  /** The worker has no address to be called at. */
  'WorkerFinal',
] as const
export type FailureType = (typeof FAILURE_TYPES)[number]
