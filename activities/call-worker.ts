// One attempt at a worker, inside the grant that pays for it.
//
// A1  A grant pays for one call. A retry goes under the same grant only where the call before used nothing
//     and `startBy` has not passed; else the grant is given back with what it used, and the request queues again.
// A2  What a failed attempt used is in the ledger before the next one begins. The ledger counts the attempts: one that
//     a dead process left behind is made again under its own number, so that a worker that knows it answers once.
// A3  The lease is renewed while the call runs.
// A4  What the provider told of its limits reaches the limiter, whatever the answer; nothing waits for it.

import { ApplicationFailure, Context } from '@temporalio/activity'
import { reservationKey, type Plan, type WorkerCall } from '../domain/admission.ts'
import type { FailureType } from '../domain/failure.ts'
import { fromDemand } from '../domain/resource.ts'
import { backoffBefore } from '../domain/worker.ts'
import type { Granted } from '../limiter/effect.ts'
import type { RefusedCall } from '../limiter/event.ts'
import { beginAttempt } from './ledger/begin-attempt.ts'
import { recordAttempt } from './ledger/record-attempt.ts'
import type { ActivityContext } from './request-activities.ts'
import type { ToldLimit } from './rate-limit-headers.ts'
import { callOverHttp, cancelOverHttp, type WorkerAnswer, type WorkerReply } from './worker-protocol.ts'

export type CallInput = {
  readonly plan: Plan
  readonly call: WorkerCall
  readonly grant: Granted
}

export type CallResult =
  | {
      readonly kind: 'answered'
      readonly attempt: number
      readonly answer: Extract<WorkerAnswer, { kind: 'answered' }>
    }
  /** The worker posts its result later. */
  | { readonly kind: 'accepted'; readonly attempt: number }
  /** The grant is not good (any more) for a call. */
  | { readonly kind: 'given-back'; readonly notBeforeMs: number | null }

const HEARTBEAT_EVERY_MS = 2_000
/** A longer wait before the next attempt does not sit on the grant. */
const WAIT_UNDER_GRANT_MS_MAX = 15_000

export async function callWorker(context: ActivityContext, input: CallInput): Promise<CallResult> {
  const { plan, call, grant } = input
  const { target } = call
  if (target.kind !== 'http') {
    throw ApplicationFailure.nonRetryable(`${call.worker} is not reached by HTTP`, final)
  }

  if (isTooLate(grant, context.now())) return { kind: 'given-back', notBeforeMs: null }
  const begun = await beginAttempt(context.sql, plan.requestId, context.now())
  if (begun.kind === 'ended') return answeredFailure(0, 'the request had ended')
  const { attempt } = begun
  if (context.now() > begun.expiresAtMs) return { kind: 'given-back', notBeforeMs: null }
  await context.announcements.announce([plan.requestId])

  const cancellation = Context.current().cancellationSignal
  const stopRenewing = renewLease(context, plan)
  let reply: WorkerReply
  try {
    const request = {
      requestId: plan.requestId,
      attempt,
      call,
      executeUrl: target.executeUrl,
      resources: fromDemand(plan.demand),
      startByMs: grant.startByMs,
    }
    reply = await callOverHttp(request, cancellation)
  } catch (error) {
    if (cancellation.aborted && target.cancelUrl !== null) {
      await cancelOverHttp(target.cancelUrl, plan.requestId)
    }
    throw error
  } finally {
    stopRenewing()
  }
  tellLimits(context, input, reply.told)
  return await conclude(context, { ...input, attempt, answer: reply.answer })
}

type Conclusion = CallInput & { readonly attempt: number; readonly answer: WorkerAnswer }

async function conclude(context: ActivityContext, conclusion: Conclusion): Promise<CallResult> {
  const { plan, call, grant, attempt, answer } = conclusion
  if (answer.kind === 'accepted') return { kind: 'accepted', attempt }
  if (answer.kind === 'answered') return { kind: 'answered', attempt, answer }

  const nowMs = context.now()
  const waitMs = Math.max(answer.retryAfterMs ?? 0, backoffBefore(call.retryPolicy, attempt + 1))
  const isLast = attempt >= call.retryPolicy.maxAttempts
  const staysUnderGrant =
    answer.use.kind === 'none' && waitMs <= WAIT_UNDER_GRANT_MS_MAX && !isTooLate(grant, nowMs + waitMs)
  if (answer.isThrottled) {
    const refused = { id: grant.id, grantedAtMs: grant.atMs, isRetried: staysUnderGrant && !isLast }
    await closeResources(context, plan, nowMs + waitMs, refused)
  }
  if (isLast) return answeredFailure(attempt, answer.detail, answer.use)
  await recordAttempt(context.sql, plan.requestId, attempt, answer.use, nowMs)
  if (!staysUnderGrant) return { kind: 'given-back', notBeforeMs: nowMs + waitMs }
  throw ApplicationFailure.create({
    message: answer.detail,
    type: 'WorkerRetryable' satisfies FailureType,
    nextRetryDelay: Math.max(1, waitMs),
  })
}

/** Where the delay counts (J > 0), a call must begin by `startBy`; else the lease alone bounds it. */
function isTooLate({ startByMs, expiresAtMs }: Granted, atMs: number): boolean {
  return startByMs < expiresAtMs && atMs > startByMs
}

const final: FailureType = 'WorkerFinal'

function answeredFailure(
  attempt: number,
  error: string,
  use: Extract<WorkerAnswer, { kind: 'answered' }>['use'] = { kind: 'none' },
): CallResult {
  return {
    kind: 'answered',
    attempt,
    answer: { kind: 'answered', status: 'failure', output: null, use, error },
  }
}

/** A provider's 429 that a worker passed on: nobody else may run into it before its Retry-After. */
async function closeResources(
  context: ActivityContext,
  plan: Plan,
  untilMs: number,
  call: RefusedCall,
): Promise<void> {
  const closed = plan.demand.map(([resourceId]) =>
    context.operations.send({ kind: 'throttle', resourceId, untilMs, call }),
  )
  await Promise.all(closed)
}

/** A4. A limit is of the resource whose last part it is named after, or of the only one. */
function tellLimits(
  { operations }: ActivityContext,
  { plan, grant }: CallInput,
  told: readonly ToldLimit[],
): void {
  const ids = plan.demand.map(([resourceId]) => resourceId)
  const [only] = ids.length === 1 ? ids : []
  for (const { dimension, ...limit } of told) {
    const named = ids.find((id) => id.split('/').at(-1) === dimension)
    const resourceId = named ?? (dimension === null || dimension === CALLS ? only : undefined)
    if (resourceId === undefined) continue
    const per = named === undefined && dimension === CALLS ? 'reservation' : 'unit'
    operations
      .send({ kind: 'observe', resourceId, per, grantedAtMs: grant.atMs, ...limit })
      .catch((error: unknown) =>
        Context.current().log.warn('what a provider told of a limit is lost', { resourceId, error }),
      )
  }
}

/** What providers call their limit on calls. */
const CALLS = 'requests'

/** Heartbeats, and renews the lease at a third of its length (A3). Returns what stops it. */
function renewLease(context: ActivityContext, plan: Plan): () => void {
  const activity = Context.current()
  const id = reservationKey(plan.requestId, plan.generation)
  let renewAtMs = context.now() + plan.leaseMs / 3
  const timer = setInterval(() => {
    activity.heartbeat()
    if (context.now() < renewAtMs) return
    renewAtMs = context.now() + plan.leaseMs / 3
    context.operations
      .send({ kind: 'extend', id, leaseMs: plan.leaseMs, used: null })
      .catch((error: unknown) => activity.log.warn('the lease was not renewed', { id, error }))
  }, HEARTBEAT_EVERY_MS)
  return () => clearInterval(timer)
}
