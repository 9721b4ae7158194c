// One call at a provider, from arrival to answer: decide, be busy for as long as the call takes, end, answer.

import type { Request, Response } from 'express'
import type { Cost, Gate } from './gate.ts'
import type { Group } from './scenario.ts'
import { styleOf } from './styles/style-of.ts'

export type Call = {
  readonly account: string
  readonly family: string
  readonly endpoint: string
  /** What is charged on arrival, by dimension. */
  readonly cost: Cost
  /** What it really uses, by dimension; known when it ends. */
  readonly actual: Cost
  readonly answer: {
    readonly status: number
    readonly headers?: Record<string, string>
    readonly body: unknown
  }
}

/** The longest that a caller may ask a call to take. */
const DURATION_MS_MAX = 3_600_000

/** Headers by which a caller says how the simulated call goes, so that a replay is deterministic. */
export const PROMPT_TOKENS = 'x-simulator-prompt-tokens'
export const COMPLETION_TOKENS = 'x-simulator-completion-tokens'
export const DECLARED_TOKENS = 'x-simulator-tokens'
export const DURATION_MS = 'x-simulator-duration-ms'
export const ACCOUNT = 'x-simulator-account'

/** Finds the group that limits the call, or answers 404 and returns undefined. */
export function findGroup(
  gate: Gate,
  response: Response,
  { account, family }: { account: string; family: string },
): Group | undefined {
  const group = gate.find(account, family)
  if (group === undefined) {
    const message = `the scenario has no limits for ${account}/${family}`
    response.status(404).json({ error: { message, type: 'invalid_request_error', code: 'model_not_found' } })
  }
  return group
}

export function serveCall(
  { gate, group, request, response }: { gate: Gate; group: Group; request: Request; response: Response },
  call: Call,
): void {
  const durationMs = Math.min(DURATION_MS_MAX, countHeader(request, DURATION_MS) ?? group.latencyMs)
  const style = styleOf(group)
  const verdict = gate.decide({ group, endpoint: call.endpoint, cost: call.cost })
  response.set(style.headers(verdict))
  if (verdict.kind === 'rejected') {
    const units = call.cost[verdict.limit.rule.dimension] ?? 1
    const { status, headers, body } = style.reject(verdict, { family: call.family, units })
    response.set(headers).status(status).json(body)
    return
  }
  const answer = (): void => {
    verdict.end(call.actual)
    if (response.closed) return
    response.set(call.answer.headers ?? {}).status(call.answer.status)
    if (call.answer.body === null) response.end()
    else response.json(call.answer.body)
  }
  if (durationMs === 0) {
    answer()
    return
  }
  const timer = setTimeout(answer, durationMs)
  // A provider that goes on working without its caller answers nobody in the end.
  response.once('close', () => {
    if (verdict.leave(call.actual)) clearTimeout(timer)
  })
}

/** A header that holds a count; undefined where it is absent or none. */
export function countHeader(request: Request, name: string): number | undefined {
  const text = request.get(name)
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined
}

export function accountOf(request: Request, standard: string): string {
  return request.get(ACCOUNT) ?? standard
}
