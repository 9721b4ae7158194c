// What the facade is given: the ledger's database, the edges to Temporal, the limiter's published view.

import type { Logger } from 'pino'
import type { Announcements } from '../activities/announcements.ts'
import type { Sql } from '../activities/ledger/database.ts'
import type { ExecutionAsk } from '../domain/ask.ts'
import type { LimiterState } from '../limiter/state.ts'
import type { TokenCounter } from './tokens/counter.ts'
import type { LimiterOperation, WorkerResult } from '../workflows/messages.ts'

export type ApiContext = {
  readonly sql: Sql
  readonly announcements: Pick<Announcements, 'waitFor' | 'waitAfter'>
  readonly operations: OperationsEdge
  readonly temporal: TemporalEdge
  readonly tokens: Pick<TokenCounter, 'countAsked'>
  /** The limiter's published state; read only, its times are the limiter's own. */
  readonly limiterView: () => Promise<LimiterState>
  /** SHA-256, hex, of the first admin key. */
  readonly adminKeyHash: string
  readonly log: Logger
  readonly about: About
  /** Epoch milliseconds; default: the system's clock. */
  readonly clock?: () => number
  /** How long an answer waits for admission, or for the limiter's word, before it is 503; default 10 s. */
  readonly decisionTimeoutMs?: number
}

export type OperationsEdge = {
  /** Resolves when the limiter is sure to see it; rejects where Temporal is away. */
  send(operation: LimiterOperation): Promise<void>
}

export type TemporalEdge = {
  /** Starts the workflow of an execution, or joins the running one. `tier` is a label for lists. */
  startRequest(ask: ExecutionAsk, tier: string): Promise<void>
  /** False where no such request runs. */
  cancelRequest(requestId: string): Promise<boolean>
  /** False where no such request runs. */
  sendResult(requestId: string, result: WorkerResult): Promise<boolean>
  isHealthy(): Promise<boolean>
  /** Base of links such as `http://localhost:8233`; null: no links. */
  readonly temporalUiUrl: string | null
  readonly namespace: string
}

/** What `/` and `/status` tell about this process. */
export type About = {
  readonly version: string
  readonly startedAtMs: number
  readonly sampleWorkerUrl: string | null
  readonly simulatorUrl: string | null
}

export const DECISION_TIMEOUT_MS = 10_000

export function nowMs(context: ApiContext): number {
  return context.clock?.() ?? Date.now()
}
