// How the API says no: RFC 9457 problems from one table of codes.
//
// E1  Every 429 and 503 tells when to come again: `Retry-After` in whole seconds, rounded up, and `retryAfterMs`.
// E2  A problem says what was got, what was expected and which field; it never shows a key or a stack.

import type { ProblemCode, Json, Refusal } from '../domain/failure.ts'

export const PROBLEMS: Readonly<Record<ProblemCode, { readonly status: number; readonly title: string }>> = {
  'invalid-request': { status: 400, title: 'The request is not valid' },
  unauthenticated: { status: 401, title: 'A valid key is needed' },
  'budget-exceeded': { status: 402, title: 'A budget does not allow it' },
  forbidden: { status: 403, title: 'The key does not allow it' },
  'client-paused': { status: 403, title: 'The client is paused' },
  'not-found': { status: 404, title: 'There is no such thing' },
  'method-not-allowed': { status: 405, title: 'The path does not know this method' },
  conflict: { status: 409, title: 'The state does not allow it' },
  'idempotency-mismatch': { status: 409, title: 'The id was used with another body' },
  'precondition-failed': { status: 412, title: 'The configuration has changed since it was read' },
  'too-large': { status: 413, title: 'The body is too large' },
  'unsupported-media-type': { status: 415, title: 'The body has another media type' },
  impossible: { status: 422, title: 'The demand can never fit' },
  'unknown-resource': { status: 422, title: 'The resource is not configured' },
  'unknown-price': { status: 422, title: 'The resource has no price' },
  'unknown-client': { status: 422, title: 'The client is not configured' },
  'unknown-tier': { status: 422, title: 'The tier is not configured' },
  'unknown-worker': { status: 422, title: 'The worker is not registered' },
  'unknown-template': { status: 422, title: 'The template is not configured' },
  'cost-limit': { status: 422, title: 'The estimate is above the limit of the request' },
  'precondition-required': { status: 428, title: 'The change needs If-Match' },
  'insufficient-resources': { status: 429, title: 'There is not enough left now' },
  'queue-full': { status: 429, title: 'The queue is full' },
  internal: { status: 500, title: 'Something is broken on our side' },
  unavailable: { status: 503, title: 'Not available for a moment' },
}

export const PROBLEM_TYPE = 'application/problem+json'
const RETRY_AFTER_MS_DEFAULT = 1_000

export type FieldError = { readonly pointer: string; readonly detail: string }

type Extra = {
  readonly members?: Readonly<Record<string, Json>>
  readonly headers?: Readonly<Record<string, string>>
}

/** Thrown by handlers and parsers; the app answers it. */
export class Problem extends Error {
  readonly code: ProblemCode
  readonly members: Readonly<Record<string, Json>>
  readonly headers: Readonly<Record<string, string>>

  constructor(code: ProblemCode, detail: string, { members = {}, headers = {} }: Extra = {}) {
    super(detail)
    this.name = 'Problem'
    this.code = code
    this.members = members
    this.headers = headers
  }
}

/** A no of the domain as a problem: its members go over the wire as they are. */
export function problemOf({ code, detail, members }: Refusal, requestId: string): Problem {
  return new Problem(code, detail, { members: { ...members, requestId } })
}

export function invalid(errors: readonly FieldError[]): Problem {
  const [first] = errors
  const detail =
    first === undefined
      ? 'the request is not valid'
      : `${first.pointer === '' ? 'the body' : first.pointer}: ${first.detail}`
  return new Problem('invalid-request', detail, { members: { errors } })
}

export function notFound(what: string, id: string): Problem {
  return new Problem('not-found', `there is no ${what} ${JSON.stringify(id)}`)
}

export function unavailable(detail: string, members: Readonly<Record<string, Json>> = {}): Problem {
  return new Problem('unavailable', detail, { members })
}

type Wire = {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Readonly<Record<string, Json>>
}

/** The answer to a problem; `requestId` is the id of the HTTP request where the problem names no other. */
export function toWire(
  problem: Problem,
  at: { readonly instance: string; readonly requestId: string },
): Wire {
  const { status, title } = PROBLEMS[problem.code]
  const mayRetry = status === 429 || status === 503
  const told = problem.members['retryAfterMs']
  const retryAfterMs = typeof told === 'number' ? Math.max(0, told) : RETRY_AFTER_MS_DEFAULT
  const detail = problem.message
  return {
    status,
    headers: {
      'content-type': PROBLEM_TYPE,
      ...(mayRetry && { 'retry-after': String(Math.ceil(retryAfterMs / 1_000)) }),
      ...problem.headers,
    },
    body: {
      type: `/problems/${problem.code}`,
      title,
      status,
      detail,
      code: problem.code,
      ...at,
      ...problem.members,
      ...(mayRetry && { retryAfterMs }),
    },
  }
}
