// One call at a provider, from arrival to answer: on its way, decide, be busy for as long as the call takes, end, answer.

import type { Request, Response } from 'express'
import {
  causelessRejection,
  failedAnswer,
  openStream,
  sendWhole,
  type Answer,
  type OpenStream,
} from './answering.ts'
import { conductOf } from './conduct.ts'
import type { FailureRule } from './failures.ts'
import type { Cost, Gate, TimedFate, Verdict } from './gate.ts'
import type { Group } from './scenario.ts'
import { quirkyRetryAfter } from './styles/quirks.ts'
import { styleOf } from './styles/style-of.ts'

export type Call = {
  readonly account: string
  readonly family: string
  readonly endpoint: string
  /** What is charged on arrival, by dimension. */
  readonly cost: Cost
  /** What it really uses, by dimension; known when it ends. */
  readonly actual: Cost
  readonly answer: Answer
  /** Told once it is admitted: what becomes of it later, and how often that is reported. */
  readonly onFates?: (
    fates: readonly TimedFate[],
    told: { readonly atMs: number; readonly times: number },
  ) => void
}

export type At = {
  readonly gate: Gate
  readonly group: Group
  readonly request: Request
  readonly response: Response
}

/** The longest that a caller may ask a call to take. */
const DURATION_MS_MAX = 3_600_000

/** Headers by which a caller says how the simulated call goes, so that a replay is deterministic. */
export const PROMPT_TOKENS = 'x-simulator-prompt-tokens'
export const CACHED_TOKENS = 'x-simulator-cached-tokens'
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

export function serveCall(at: At, call: Call): void {
  const networkMs = conductOf(at.group).networkMs()
  if (networkMs === 0) decide(at, call)
  else setTimeout(() => decide(at, call), networkMs)
}

function decide({ gate, group, request, response }: At, call: Call): void {
  const conduct = conductOf(group)
  const style = styleOf(group)
  const failure = conduct.failure(gate.nowMs())
  const asked = { group, endpoint: call.endpoint, cost: call.cost }
  if (failure?.kind === 'causeless-429') {
    gate.refuse({ ...asked, fault: failure.kind })
    const { status, headers, body } = causelessRejection()
    response.set(headers).status(status).json(body)
    return
  }
  const verdict = gate.decide({ ...asked, fault: failure?.kind })
  response.set(conduct.headers(style.headers(visible(verdict))))
  if (verdict.kind === 'rejected') {
    const units = call.cost[verdict.limit.rule.dimension] ?? 1
    const { status, headers, body } = style.reject(visible(verdict), { family: call.family, units })
    const { retryAfterMs, atMs } = verdict
    const told = quirkyRetryAfter(headers, { quirks: conduct.quirks, retryAfterMs, atMs })
    response.set(told).status(status).json(body)
    return
  }
  const times = failure?.kind === 'duplicate-delivery' ? 2 : 1
  if (verdict.fates.length > 0) call.onFates?.(verdict.fates, { atMs: verdict.atMs, times })
  run({ gate, group, request, response }, call, { verdict, failure })
}

/** Nobody is told of a hidden limit. */
function visible<T extends Verdict>(verdict: T): T {
  return { ...verdict, limits: verdict.limits.filter(({ rule }) => rule.type !== 'hidden-adaptive') }
}

type Running = {
  readonly verdict: Extract<Verdict, { kind: 'admitted' }>
  readonly failure: FailureRule | null
}

const PRODUCE_MS = 100

/** The time that the call takes, and then its answer. */
function run({ group, request, response }: At, call: Call, { verdict, failure }: Running): void {
  const conduct = conductOf(group)
  const isStream = call.answer.events !== undefined
  const failed = failure === null ? null : failedAnswer(failure, { style: group.style, isStream })
  const actual = failed === null ? call.actual : {}
  const { firstMs, wholeMs } = durationOf({ group, request, call, failure })
  const beganMs = performance.now()
  const part = (): number => (wholeMs === 0 ? 1 : Math.min(1, (performance.now() - beganMs) / wholeMs))
  const timers: NodeJS.Timeout[] = []
  let stream: OpenStream | null = null
  let isOver = false

  conduct.inFlight += 1
  const over = (): void => {
    if (isOver) return
    isOver = true
    conduct.inFlight -= 1
    for (const timer of timers.splice(0)) clearTimeout(timer)
  }
  const answer = (): void => {
    verdict.end(actual)
    over()
    if (response.closed) return
    if (isStream && failed === null && !isReset(failure))
      (stream ??= openStream(response, call.answer, failure)).end()
    else sendWhole(response, failed ?? call.answer, failure)
  }
  const produce = (): void => {
    verdict.produce(partOf(actual, part()))
    const sinceFirstMs = part() * wholeMs - firstMs
    if (!isStream || failed !== null || isReset(failure) || sinceFirstMs < 0) return
    stream ??= openStream(response, call.answer, failure)
    stream.send(wholeMs === firstMs ? 1 : sinceFirstMs / (wholeMs - firstMs))
  }
  if (wholeMs === 0 && failure?.kind !== 'hang') {
    answer()
    return
  }
  timers.push(failure?.kind === 'hang' ? setTimeout(over, DURATION_MS_MAX) : setTimeout(answer, wholeMs))
  if (isStream || group.refund === 'realtime') timers.push(setInterval(produce, PRODUCE_MS))
  // A provider that goes on working without its caller answers nobody in the end.
  response.once('close', () => {
    if (failure?.kind !== 'late-success' && verdict.leave(partOf(actual, part()))) over()
  })
}

function isReset(failure: FailureRule | null): boolean {
  return failure?.kind === 'reset-before-headers' || failure?.kind === 'reset-after-headers'
}

function durationOf({
  group,
  request,
  call,
  failure,
}: Pick<At, 'group' | 'request'> & { call: Call; failure: FailureRule | null }) {
  const told = countHeader(request, DURATION_MS)
  const drawn = told === undefined ? conductOf(group).duration(call.actual['output-tokens'] ?? 0) : null
  const wholeMs = told ?? drawn?.wholeMs ?? group.latencyMs
  const isLate = failure?.kind === 'slow' || failure?.kind === 'late-success'
  return {
    firstMs: drawn?.firstMs ?? 0,
    wholeMs: Math.min(DURATION_MS_MAX, wholeMs + (isLate ? failure.delayMs : 0)),
  }
}

/** What is used when a part of the call is done. */
function partOf(actual: Cost, part: number): Cost {
  return Object.fromEntries(
    Object.entries(actual).map(([dimension, units]) => [dimension, Math.floor(units * part)]),
  )
}

/** A header that holds a count; undefined where it is absent or none. */
export function countHeader(request: Request, name: string): number | undefined {
  const text = request.get(name)
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined
}

export function accountOf(request: Request, standard: string): string {
  return request.get(ACCOUNT) ?? standard
}
