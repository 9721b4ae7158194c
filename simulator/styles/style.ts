// How a provider tells its limits: headers on every answer, and what a rejected call gets.

import type { LimitView, Verdict } from '../gate.ts'

export type Headers = Readonly<Record<string, string>>
export type Rejection = { readonly status: number; readonly headers: Headers; readonly body: unknown }

export type Style = {
  /** On answers and rejections alike. */
  headers(verdict: Verdict): Headers
  reject(verdict: Extract<Verdict, { kind: 'rejected' }>, called: Called): Rejection
}

/** What was called, for the texts of errors. */
export type Called = { readonly family: string; readonly units: number }

/** The view of the tightest limit on a dimension; undefined where nothing limits it. */
export function tightest(verdict: Verdict, dimension: string): LimitView | undefined {
  const views = verdict.limits.filter(({ rule }) => rule.dimension === dimension)
  return views.toSorted((a, b) => a.remaining / a.size - b.remaining / b.size)[0]
}

/** `Retry-After` in whole seconds, rounded up, at least one; none where no time can be told. */
export function retryAfterHeader(retryAfterMs: number | null): Headers {
  if (retryAfterMs === null) return {}
  return { 'retry-after': String(Math.max(1, Math.ceil(retryAfterMs / 1_000))) }
}
