// The worker protocol over HTTP: one call, and the meaning of its answer.
//
// W1  408, 425, 429, 5xx, lost connections and answers that are no answer are retryable; other 4xx are final.
// W2  What a worker reports is its use whatever the status; an answer without a report used nothing;
//     no answer means that the use is unknown, but for a connection that was never made.
// W3  200 with `status: failure` is final unless it says `retryable: true`.
// W4  A 429 closes what the call was about until Retry-After; so does a 503 whose problem type says that the provider
//     serves less for the time (IETF's draft of RateLimit fields, section on problem types).

import { createHash } from 'node:crypto'
import { Agent, fetch } from 'undici'
import { z } from 'zod'
import type { WorkerCall } from '../domain/admission.ts'
import type { Json } from '../domain/failure.ts'
import { parseUsd } from '../domain/money.ts'
import type { Use } from '../domain/report.ts'
import { retryAfterMs, toldLimits, type ToldLimit } from './rate-limit-headers.ts'

export type WorkerAnswer =
  | {
      readonly kind: 'answered'
      readonly status: 'success' | 'failure' | 'partial'
      readonly output: Json
      readonly use: Use
      readonly error: string | null
    }
  | { readonly kind: 'accepted' }
  | {
      readonly kind: 'retryable'
      readonly detail: string
      readonly use: Use
      readonly retryAfterMs: number | null
      /** The worker passed a provider's refusal on: its resources are closed until then (W4). */
      readonly isThrottled: boolean
    }

/** An answer, and what the provider's headers told of its limits, passed on by the worker. */
export type WorkerReply = { readonly answer: WorkerAnswer; readonly told: readonly ToldLimit[] }

export type WorkerRequest = {
  readonly requestId: string
  readonly attempt: number
  readonly call: WorkerCall
  readonly executeUrl: string
  readonly resources: Readonly<Record<string, number>>
  readonly startByMs: number
}

const json: z.ZodType<Json> = z.lazy(() =>
  z.union([z.string(), z.number(), z.boolean(), z.null(), z.array(json), z.record(z.string(), json)]),
)

const report = z.object({
  resourcesConsumed: z.record(z.string(), z.int().nonnegative()).nullish(),
  costUsd: z
    .string()
    .refine((text) => parseUsd(text) !== null, 'not a decimal string of USD')
    .nullish(),
  error: z.unknown().optional(),
  /** Of problem details (RFC 9457), as providers tell them. */
  type: z.string().nullish(),
  retryable: z.boolean().nullish(),
})

const answer = report.extend({
  requestId: z.string().nullish(),
  status: z.enum(['success', 'failure', 'partial']),
  output: json.nullish(),
})

const ANSWER_BYTES_MAX = 1_000_000
const RETRYABLE_STATUS: ReadonlySet<number> = new Set([408, 425, 429])
const REDUCED_CAPACITY = 'https://iana.org/assignments/http-problem-types#temporary-reduced-capacity'
const NEVER_CONNECTED: ReadonlySet<unknown> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
])

/** Bounds come from the worker's own timeout, not from the client's defaults of five minutes. */
const agent = new Agent({ headersTimeout: 0, bodyTimeout: 0, connect: { timeout: 10_000 } })

/** Calls the worker once. Rejects only where `signal` aborts. */
export async function callOverHttp(request: WorkerRequest, signal: AbortSignal): Promise<WorkerReply> {
  const { call, executeUrl, requestId, attempt } = request
  const timeout = AbortSignal.timeout(call.timeoutMs)
  try {
    const response = await fetch(executeUrl, {
      method: 'POST',
      dispatcher: agent,
      signal: AbortSignal.any([signal, timeout]),
      headers: {
        'content-type': 'application/json',
        'idempotency-key': `${requestId}#${attempt}`,
        traceparent: traceparent(requestId, attempt),
      },
      body: JSON.stringify(toBody(request)),
    })
    const text = await response.text()
    const answer = interpret(response.status, text, retryAfterMs(response.headers.get('retry-after')))
    return { answer, told: toldLimits(response.headers, Date.now()) }
  } catch (error) {
    signal.throwIfAborted()
    if (timeout.aborted) {
      const detail = `${call.worker} did not answer within ${call.timeoutMs} ms`
      return { answer: retryable(detail, { kind: 'unknown' }), told: [] }
    }
    const code = errorCode(error)
    const use: Use = NEVER_CONNECTED.has(code) ? { kind: 'none' } : { kind: 'unknown' }
    const detail = `${call.worker} at ${executeUrl} cannot be reached: ${code ?? String(error)}`
    return { answer: retryable(detail, use), told: [] }
  }
}

/** Tells the worker to stop; whether it does is its own matter. Resolves to its status, or null. */
export async function cancelOverHttp(cancelUrl: string, requestId: string): Promise<number | null> {
  try {
    const response = await fetch(cancelUrl, {
      method: 'POST',
      dispatcher: agent,
      signal: AbortSignal.timeout(2_000),
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ requestId }),
    })
    await response.body?.cancel()
    return response.status
  } catch {
    return null
  }
}

function toBody({ requestId, attempt, call, resources, startByMs }: WorkerRequest): Json {
  return {
    requestId,
    attempt,
    action: call.action,
    input: call.input,
    resources,
    timeoutMs: call.timeoutMs,
    priority: call.priority,
    startBy: new Date(startByMs).toISOString(),
  }
}

/** W1 to W3: what a status and a body mean. */
export function interpret(status: number, text: string, retryAfterMs: number | null): WorkerAnswer {
  if (status === 202) return { kind: 'accepted' }
  const body = text.length > ANSWER_BYTES_MAX ? undefined : parseJson(text)
  if (status >= 200 && status < 300) {
    const parsed = answer.safeParse(body)
    if (!parsed.success) {
      return retryable(`the worker's answer is not of the protocol: ${faults(parsed.error)}`, NOTHING)
    }
    const { data } = parsed
    const use = useOf(data)
    const error = errorText(data.error)
    if (data.status === 'failure' && data.retryable === true) {
      return { ...retryable(error ?? 'the worker asks for a retry', use), retryAfterMs }
    }
    return { kind: 'answered', status: data.status, output: data.output ?? null, use, error }
  }
  const parsed = report.safeParse(body)
  const use = parsed.success ? useOf(parsed.data) : NOTHING
  const told = parsed.success ? errorText(parsed.data.error) : null
  const detail = `the worker answered ${status}${told === null ? '' : `: ${told}`}`
  if (status >= 500 || RETRYABLE_STATUS.has(status)) {
    const type = parsed.success ? parsed.data.type : null
    const isThrottled = status === 429 || (status === 503 && type === REDUCED_CAPACITY)
    return { kind: 'retryable', detail, use, retryAfterMs, isThrottled }
  }
  return { kind: 'answered', status: 'failure', output: null, use, error: detail }
}

const NOTHING: Use = { kind: 'none' }

function retryable(detail: string, use: Use): Extract<WorkerAnswer, { kind: 'retryable' }> {
  return { kind: 'retryable', detail, use, retryAfterMs: null, isThrottled: false }
}

function useOf({ resourcesConsumed, costUsd }: z.infer<typeof report>): Use {
  const costNanoUsd = typeof costUsd === 'string' ? parseUsd(costUsd) : null
  if (resourcesConsumed == null && costNanoUsd === null) return NOTHING
  return { kind: 'reported', consumed: resourcesConsumed ?? {}, costNanoUsd }
}

function errorText(error: unknown): string | null {
  if (error === undefined || error === null) return null
  return typeof error === 'string' ? error : JSON.stringify(error)
}

function faults({ issues }: z.ZodError): string {
  return issues.map(({ path, message }) => `/${path.join('/')} ${message}`).join('; ')
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function errorCode(error: unknown): string | null {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
  return typeof cause === 'object' && cause !== null && 'code' in cause ? String(cause.code) : null
}

/** W3C Trace Context: one trace a request, one span an attempt. */
function traceparent(requestId: string, attempt: number): string {
  const hash = (text: string): string => createHash('sha256').update(text).digest('hex')
  return `00-${hash(requestId).slice(0, 32)}-${hash(`${requestId}#${attempt}`).slice(0, 16)}-01`
}
