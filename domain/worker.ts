// A worker: who does the work, how it is reached and how it is retried.

export type RetryPolicy = {
  readonly maxAttempts: number
  /** Wait before attempt 2, 3, …; the last one repeats. Empty: at once. */
  readonly backoffMs: readonly number[]
}

export type WorkerTarget =
  | {
      readonly kind: 'http'
      readonly executeUrl: string
      readonly healthUrl: string | null
      readonly cancelUrl: string | null
    }
  /** A planned worker: refused before anybody would look for it. */
  | { readonly kind: 'nowhere' }

export type Worker = {
  readonly name: string
  readonly version: string
  readonly capabilities: readonly string[]
  readonly typical: Readonly<Record<string, number>>
  readonly maximum: Readonly<Record<string, number>>
  readonly target: WorkerTarget
  readonly timeoutMs: number
  readonly expectedMs: number | null
  readonly retryPolicy: RetryPolicy
  /** Announced for the future: known to the catalogue, refused as `unknown-worker` until it has a target. */
  readonly planned: boolean
}

/** Wait before attempt `attempt` (2 or more), by the worker's policy. */
export function backoffBefore({ backoffMs }: RetryPolicy, attempt: number): number {
  return backoffMs[Math.min(attempt - 2, backoffMs.length - 1)] ?? 0
}
