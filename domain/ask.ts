// What is asked of us, parsed: an execution by a worker, or a reservation whose holder works by itself.

import type { Json } from './failure.ts'
import type { NanoUsd } from './money.ts'
import type { Urgency } from './priority.ts'
import type { Accuracy } from './request.ts'
import type { Scope } from './scope.ts'

type Asked = {
  readonly id: string
  /** SHA-256 of the canonical body: the same id with another body is a mismatch. */
  readonly bodyHash: string
  readonly clientId: string
  readonly urgency: Urgency
  readonly scope: Scope
  /** Longest wait for a grant; null: as long as the resources allow. 0: now or never. */
  readonly maxWaitMs: number | null
}

export type ExecutionAsk = Asked & {
  readonly kind: 'execution'
  readonly template: string | null
  readonly worker: string | null
  readonly action: string | null
  readonly input: Json
  /** Of the input's text; null where nobody counted, because `resources` says what is needed. */
  readonly inputTokens: number | null
  readonly accuracy: Accuracy
  /** Null: the template's, else the worker's typical needs. */
  readonly resources: Readonly<Record<string, number>> | null
  readonly deadlineMs: number | null
  readonly deferUntilMs: number | null
  readonly maxCostNanoUsd: NanoUsd | null
  readonly labels: Readonly<Record<string, string>>
}

export type ReservationAsk = Asked & {
  readonly kind: 'reservation'
  readonly resources: Readonly<Record<string, number>>
  /** Null: price times units. */
  readonly costNanoUsd: NanoUsd | null
  readonly ttlMs: number
}

export type Ask = ExecutionAsk | ReservationAsk
