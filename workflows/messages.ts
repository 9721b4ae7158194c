// The names and shapes of everything that crosses Temporal: inputs, signals, ids. Plain JSON only.

import type { ExecutionAsk } from '../domain/ask.ts'
import type { Use } from '../domain/report.ts'
import type { FinalState } from '../domain/request.ts'
import type { Json } from '../domain/failure.ts'
import type { Effect } from '../limiter/effect.ts'
import type { LimiterEvent } from '../limiter/event.ts'
import type { LimiterSnapshot } from '../limiter/state.ts'

/** Task queues: the limiter apart, so that a flood of requests cannot hold it up. */
export const REQUEST_TASK_QUEUE = 'rm-requests'
export const LIMITER_TASK_QUEUE = 'rm-limiter'

export const LIMITER_GROUP = 'default'

export function limiterWorkflowId(group: string): string {
  return `rm-limiter:${group}`
}

export const REQUEST_WORKFLOW = 'request'
const REQUEST_PREFIX = 'req:'

export function requestWorkflowId(requestId: string): string {
  return REQUEST_PREFIX + requestId
}

/** Null where it is no request's. */
export function fromRequestWorkflowId(workflowId: string): string | null {
  return workflowId.startsWith(REQUEST_PREFIX) ? workflowId.slice(REQUEST_PREFIX.length) : null
}

/** An operation is an event that the limiter has not timed yet. */
export type LimiterOperation = WithoutTime<Exclude<LimiterEvent, { kind: 'tick' | 'adopt' }>>
type WithoutTime<Event> = Event extends unknown ? Omit<Event, 'atMs'> : never

/** Many operations in one update, whose answer is what was decided: the limiter's hot path. */
export const OPERATIONS_UPDATE = 'operate'
/** The same as a signal, where the limiter does not run or does not answer: its effects leave by an activity. */
export const OPERATIONS_SIGNAL = 'operations'
export type OperationsBatch =
  | { readonly v: 1; readonly operations: readonly LimiterOperation[] }
  | {
      readonly v: 2
      /** Applied once, whether it comes as an update, as a signal or as both. */
      readonly id: string
      readonly operations: readonly LimiterOperation[]
      /** Earlier batches whose effects the sender has delivered. */
      readonly delivered: readonly string[]
    }

/** Recorded before anybody reads it. Whoever asked delivers it, and says so with a later batch. */
export type OperationsAnswer = { readonly effects: readonly Effect[] }

/** Operator's lever: continue as new now. */
export const CONTINUE_SIGNAL = 'continueAsNew'

export type LimiterInput = {
  readonly group: string
  /** Null: a cold start, everything is loaded from the ledger before anything is granted. */
  readonly carried: CarriedLimiter | null
  /** A run is continued as new after this many events; a parameter so that tests can force it. */
  readonly historyEventsMax: number
}

export type CarriedLimiter = {
  readonly snapshot: LimiterSnapshot
  /** Decided but not known to be delivered: delivered again by the next run. */
  readonly undelivered: readonly Effect[]
  /** Answered, and not told to be delivered yet. Absent in runs of an earlier release. */
  readonly handed?: readonly Handed[]
  readonly operations: readonly LimiterOperation[]
}

/** The effects that the answer to a batch carried. */
export type Handed = { readonly batchId: string; readonly atMs: number; readonly effects: readonly Effect[] }

export type RequestInput = { readonly ask: ExecutionAsk }

export type RequestResult = {
  readonly requestId: string
  /** `known`: the id had been taken before, nothing was done. */
  readonly state: FinalState | 'known'
  readonly costUsd: string
}

/** What each step of the upkeep found: ids, or how many. A step that found nothing is left out. */
export type UpkeepReport = Readonly<Record<string, number | readonly string[]>>

/** What a request workflow can be listed by, set once at its start. All keywords. */
export const SEARCH_ATTRIBUTES = ['RmClient', 'RmTier', 'RmWorker', 'RmUrgency'] as const

/** The limiter's word on one reservation, told to its workflow. */
export const DECISION_SIGNAL = 'decision'
export type Decision = Extract<
  Effect,
  { kind: 'queued' | 'granted' | 'rejected' | 'timed-out' | 'cancelled' | 'lease-expired' }
>

export function isDecision(effect: Effect): effect is Decision {
  switch (effect.kind) {
    case 'queued':
    case 'granted':
    case 'rejected':
    case 'timed-out':
    case 'cancelled':
    case 'lease-expired':
      return true
    default:
      return false
  }
}

export const CANCEL_SIGNAL = 'cancel'

/** The result of a worker that answered 202, posted to `/internal/release`. */
export const RESULT_SIGNAL = 'result'
export type WorkerResult = {
  readonly status: 'success' | 'failure' | 'partial'
  readonly output: Json
  readonly use: Use
  readonly error: string | null
}
