// How an answer leaves: as it should, as a stream, or as the failure that was drawn has it.

import type { Request, Response } from 'express'
import { misreport, type FailureRule } from './failures.ts'
import type { Headers } from './styles/style.ts'

export type Answer = {
  readonly status: number
  readonly headers?: Record<string, string>
  readonly body: unknown
  /** Server-sent events in their order, where the caller asked for a stream. */
  readonly events?: readonly StreamEvent[]
}

export type StreamEvent = {
  readonly name?: string
  readonly body: unknown
  /** Part of the call's time after the first token at which it is sent; 0 to 1. */
  readonly at: number
}

/** The body of an answer that is sent whole, spoiled where the failure says so. */
export function sendWhole(response: Response, answer: Answer, failure: FailureRule | null): void {
  response.set(answer.headers ?? {}).status(answer.status)
  const kind = failure?.kind
  if (kind === 'reset-before-headers') {
    response.socket?.destroy()
    return
  }
  if (answer.body === null) {
    response.end()
    return
  }
  const text = JSON.stringify(kind === undefined ? answer.body : misreport(answer.body, kind))
  response.type('application/json')
  switch (kind) {
    case 'reset-after-headers':
      response.set('content-length', String(Buffer.byteLength(text)))
      response.flushHeaders()
      response.socket?.end()
      return
    case 'reset-mid-body':
      response.set('content-length', String(Buffer.byteLength(text)))
      response.write(text.slice(0, Math.ceil(text.length / 2)), () => response.socket?.destroy())
      return
    case 'truncated-json':
      response.end(text.slice(0, Math.ceil(text.length / 2)))
      return
    case 'malformed-json':
      response.end(`${text.slice(0, -1)},}`)
      return
    default:
      response.end(text)
  }
}

export type OpenStream = { readonly send: (until: number) => void; readonly end: () => void }

/** Begins a stream; `send` writes the events that are due, `end` the rest. */
export function openStream(response: Response, answer: Answer, failure: FailureRule | null): OpenStream {
  const events = answer.events ?? []
  let next = 0
  response.status(200).type('text/event-stream').set({ 'cache-control': 'no-cache' })
  response.flushHeaders()
  const write = (until: number): void => {
    for (; next < events.length && (events[next]?.at ?? 0) <= until; next += 1) {
      const event = events[next]
      if (event === undefined || response.destroyed) return
      if (event.name !== undefined) response.write(`event: ${event.name}\n`)
      const body = failure === null ? event.body : misreport(event.body, failure.kind)
      response.write(`data: ${typeof body === 'string' ? body : JSON.stringify(body)}\n\n`)
    }
  }
  return {
    send: write,
    end(): void {
      if (failure?.kind === 'reset-mid-body') {
        response.socket?.destroy()
        return
      }
      if (failure?.kind === 'stream-error') {
        const error = { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }
        response.end(`event: error\ndata: ${JSON.stringify(error)}\n\n`)
        return
      }
      write(1)
      response.end()
    },
  }
}

/** What is answered instead of an answer; null where the failure is of another kind. */
export function failedAnswer(
  failure: FailureRule,
  { style, isStream }: { style: string; isStream: boolean },
): Answer | null {
  if (failure.kind === 'server-error' || (failure.kind === 'stream-error' && !isStream)) {
    const message = 'The server had an error while processing your request.'
    return { status: 500, body: { error: { message, type: 'server_error' } } }
  }
  if (failure.kind !== 'overloaded') return null
  if (style !== 'anthropic') {
    const error = { message: 'The server is overloaded.', type: 'server_error', code: 'server_is_overloaded' }
    return { status: 503, body: { error } }
  }
  const error = { type: 'overloaded_error', message: 'Overloaded' }
  return { status: 529, body: { type: 'error', error } }
}

/** A rejection that no limit asked for. */
export function causelessRejection(): {
  readonly status: number
  readonly headers: Headers
  readonly body: unknown
} {
  return {
    status: 429,
    headers: {},
    body: { error: { message: 'Too many requests', type: 'rate_limit_error' } },
  }
}

export function isStreamAsked(request: Request): boolean {
  const body: unknown = request.body
  return typeof body === 'object' && body !== null && 'stream' in body && body.stream === true
}
