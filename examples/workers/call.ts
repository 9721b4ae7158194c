// A call by the worker protocol, parsed, and what a worker may answer.

import { z } from 'zod'

const units = z.record(z.string().min(1).max(128), z.int().min(0))

export const callSchema = z.looseObject({
  requestId: z.string().min(1).max(200),
  attempt: z.int().min(1).default(1),
  action: z.string().nullish(),
  input: z.json().default(null),
  /** Units granted, by resource id. */
  resources: units.default({}),
  timeoutMs: z.int().min(1).optional(),
  startBy: z.iso.datetime().optional(),
})

export type Call = z.infer<typeof callSchema>

export type Report = {
  readonly status: 'success' | 'failure' | 'partial'
  readonly output?: unknown
  readonly resourcesConsumed?: Readonly<Record<string, number>>
  readonly costUsd?: string
  readonly error?: string
  readonly retryable?: boolean
}

export type Outcome =
  | {
      readonly kind: 'answer'
      readonly status: number
      readonly headers: Readonly<Record<string, string>>
      readonly report: Report
    }
  /** The connection breaks before an answer. */
  | { readonly kind: 'crash' }

export type Work = (call: Call, signal: AbortSignal) => Promise<Outcome>

export function answer(status: number, report: Report, headers: Record<string, string> = {}): Outcome {
  return { kind: 'answer', status, headers, report }
}

/** A 400 that names every member at fault. */
export function badInput(error: z.ZodError, at: string): Outcome {
  const faults = error.issues.map(({ path, message }) => `${at}/${path.join('/')}: ${message}`)
  return answer(400, { status: 'failure', error: faults.join('; ') })
}
