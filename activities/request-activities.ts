// The steps of a request workflow: each may run twice, under the same ids.

import { reservationKey, type Admission, type Plan } from '../domain/admission.ts'
import type { ExecutionAsk } from '../domain/ask.ts'
import { formatUsd } from '../domain/money.ts'
import type { FinalState } from '../domain/request.ts'
import type { Decision, LimiterOperation } from '../workflows/messages.ts'
import type { Announcements } from './announcements.ts'
import { callWorker, type CallInput, type CallResult } from './call-worker.ts'
import { admit } from './ledger/admit.ts'
import type { Sql } from './ledger/database.ts'
import { requeue } from './ledger/requeue.ts'
import { settleEnded, type Ended } from './ledger/settle-execution.ts'
import type { Operations } from './operations.ts'

export type { CallResult } from './call-worker.ts'

export type ActivityContext = {
  readonly sql: Sql
  readonly announcements: Announcements
  readonly operations: Operations
  /** Epoch milliseconds; tests that skip time skip this clock too. */
  readonly now: () => number
}

export type RequestActivities = {
  /** Prices, checks and holds in one transaction; then asks the limiter, unless the start is deferred. */
  admit(ask: ExecutionAsk): Promise<AskedAdmission>
  /** Asks the limiter, once the time of a deferred request has come. */
  reserve(plan: Plan): Promise<void>
  /** Gives a lapsed grant back and asks anew; the next plan. */
  reserveAgain(input: { readonly plan: Plan; readonly notBeforeMs: number | null }): Promise<Plan>
  callWorker(input: CallInput): Promise<CallResult>
  /** Actual use to the ledger, then to the limiter. */
  settle(ended: Ended): Promise<{ readonly state: FinalState; readonly costUsd: string }>
}

/** `decision`: the limiter's word, where it was known at once; else it comes as a signal. Absent in older histories. */
export type AskedAdmission = Admission & { readonly decision?: Decision | null }

export function createRequestActivities(context: ActivityContext): RequestActivities {
  const { sql, announcements, operations, now } = context
  return {
    async admit(ask) {
      const admission = await admit(sql, ask, now())
      const isAsked = admission.kind === 'admitted' && admission.plan.deferUntilMs === null
      const [decision] = await Promise.all([
        isAsked ? operations.ask(reserveOperation(admission.plan)) : null,
        announcements.announce([ask.id]),
      ])
      return { ...admission, decision }
    },

    async reserve(plan) {
      await operations.send(reserveOperation(plan))
    },

    async reserveAgain({ plan, notBeforeMs }) {
      const next = await requeue(sql, { plan, notBeforeMs }, now())
      // Operations keep their order, so that both may go with one signal.
      await Promise.all([
        operations.send({ kind: 'settle', id: keyOf(plan), actual: next.settled }),
        operations.send(reserveOperation(next.plan)),
      ])
      return next.plan
    },

    callWorker: (input) => callWorker(context, input),

    async settle(ended) {
      const { requestId } = ended
      const settlement = await settleEnded(sql, ended, now())
      const id = reservationKey(requestId, settlement.generation)
      // A reservation that still waits is cancelled; one that was granted in this moment is settled with zero.
      await Promise.all([
        settlement.wasGranted ? null : operations.send({ kind: 'cancel', id }),
        operations.send({ kind: 'settle', id, actual: settlement.actual }),
        announcements.announce([requestId]),
      ])
      return { state: settlement.state, costUsd: formatUsd(settlement.costNanoUsd) }
    },
  }
}

/** What the limiter is asked for a plan. */
export function reserveOperation(plan: Plan): Extract<LimiterOperation, { kind: 'reserve' }> {
  return {
    kind: 'reserve',
    id: keyOf(plan),
    clientId: plan.clientId,
    tier: plan.tier,
    maxConcurrent: plan.maxConcurrent,
    urgency: plan.urgency,
    demand: plan.demand,
    enqueuedAtMs: plan.deferUntilMs ?? plan.admittedAtMs,
    waitUntilMs: plan.waitUntilMs,
    leaseMs: plan.leaseMs,
  }
}

function keyOf(plan: Plan): string {
  return reservationKey(plan.requestId, plan.generation)
}
