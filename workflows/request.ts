// The request workflow: one durable life from admission to settlement.
//
// Q1  admit -> [defer] -> reserve -> wait for the limiter's word -> call the worker -> settle.
// Q2  Whatever was admitted is settled exactly once, in a scope that no cancellation reaches.
// Q3  A grant whose `startBy` or lease passed before the call is given back, and reserved again.
// Q4  The ledger and the limiter deduplicate: every step here may run twice.

import {
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  ActivityCancellationType,
  condition,
  defineSignal,
  isCancellation,
  log,
  proxyActivities,
  proxyLocalActivities,
  setCurrentDetails,
  setHandler,
  sleep,
} from '@temporalio/workflow'
import type { CallResult, RequestActivities } from '../activities/request-activities.ts'
import { reservationKey, type Admission, type Plan, type WorkerCall } from '../domain/admission.ts'
import type { AttemptUse, Ending, RequestError } from '../domain/report.ts'
import type { Granted, Rejection } from '../limiter/effect.ts'
import { refusalOfRejection } from '../limiter/refusal.ts'
import { describe, type Phase } from './details.ts'
import {
  CANCEL_SIGNAL,
  DECISION_SIGNAL,
  RESULT_SIGNAL,
  type Decision,
  type RequestInput,
  type RequestResult,
  type WorkerResult,
} from './messages.ts'

/** A local activity that takes longer (the database is away) goes on as a regular one, which costs no open task. */
const LOCAL_MS_MAX = 5_000
/** How long a dead worker process goes unnoticed. */
const HEARTBEAT_TIMEOUT_MS = 15_000
/** What an attempt may take beyond the worker's own timeout: the bookkeeping before and after the call. */
const ATTEMPT_MARGIN_MS = 10_000
const RESUME_AFTER_MS = 500
/** Grants given back in a row before the request fails: its workers are not to be reached in time. */
const LAPSES_MAX = 20

type Step = 'admit' | 'reserve' | 'reserveAgain' | 'settle'

const local = proxyLocalActivities<Pick<RequestActivities, Step>>({
  scheduleToCloseTimeout: LOCAL_MS_MAX,
  retry: { initialInterval: 100, backoffCoefficient: 2, maximumInterval: 1_000 },
})
const regular = proxyActivities<Pick<RequestActivities, Step>>({
  startToCloseTimeout: 30_000,
  retry: { initialInterval: 500, backoffCoefficient: 2, maximumInterval: 10_000 },
})

const admit = durable(local.admit, regular.admit)
const reserve = durable(local.reserve, regular.reserve)
const reserveAgain = durable(local.reserveAgain, regular.reserveAgain)
const settle = durable(local.settle, regular.settle)

const cancelSignal = defineSignal(CANCEL_SIGNAL)
const decisionSignal = defineSignal<[Decision]>(DECISION_SIGNAL)
const resultSignal = defineSignal<[WorkerResult]>(RESULT_SIGNAL)

export async function request({ ask }: RequestInput): Promise<RequestResult> {
  const decisions: Decision[] = []
  const results: WorkerResult[] = []
  const life = new CancellationScope()
  setHandler(cancelSignal, () => life.cancel())
  setHandler(decisionSignal, (decision) => void decisions.push(decision))
  setHandler(resultSignal, (result) => void results.push(result))

  const admission = await CancellationScope.nonCancellable(() => admit(ask))
  if (admission.kind !== 'admitted') return refused(ask.id, admission)

  // What was decided at once is older than what came since.
  const decided = admission.decision ?? null
  const mailbox: Mailbox = { decisions, results }
  if (decided !== null) decisions.unshift(decided)
  const outcome = await life
    .run(() => live(admission.plan, mailbox))
    .catch((error: unknown) => {
      if (isCancellation(error)) return { ending: { kind: 'cancelled' }, attempt: null } satisfies Outcome
      throw error
    })
  return await CancellationScope.nonCancellable(() => settled(admission.plan, outcome))
}

type Mailbox = { readonly decisions: Decision[]; readonly results: WorkerResult[] }

/** How it ended, and what the last attempt used where that is not in the ledger yet. */
type Outcome = { readonly ending: Ending; readonly attempt: AttemptUse | null }

async function live(admitted: Plan, mailbox: Mailbox): Promise<Outcome> {
  let plan = admitted
  if (plan.deferUntilMs !== null && plan.deferUntilMs > Date.now()) {
    show(plan, { kind: 'deferred', untilMs: plan.deferUntilMs })
    await sleep(plan.deferUntilMs - Date.now())
    await reserve(plan)
  }
  for (let lapses = 0; lapses < LAPSES_MAX; lapses += 1) {
    const word = await limitersWord(plan, mailbox)
    if (word.kind === 'never') return { ending: word.ending, attempt: null }
    const result = await called(plan, word.grant)
    switch (result.kind) {
      case 'answered':
        return {
          ending: endingOf(result.answer),
          attempt: { attempt: result.attempt, use: result.answer.use },
        }
      case 'accepted':
        return await posted(plan, result.attempt, mailbox)
      case 'failed':
        return { ending: result.ending, attempt: null }
      case 'given-back':
        plan = await reserveAgain({ plan, notBeforeMs: result.notBeforeMs })
        break
      default:
        return result satisfies never
    }
  }
  return failed('grant-lapsed', `${LAPSES_MAX} grants in a row lapsed before the worker could be called`)
}

type Word =
  { readonly kind: 'granted'; readonly grant: Granted } | { readonly kind: 'never'; readonly ending: Ending }

/** Waits for the limiter. No guard timer: the limiter enforces the longest wait, and survives its own end. */
async function limitersWord(plan: Plan, { decisions }: Mailbox): Promise<Word> {
  const key = reservationKey(plan.requestId, plan.generation)
  show(plan, { kind: 'waiting', queued: null })
  for (;;) {
    await condition(() => decisions.length > 0)
    const decision = decisions.shift()
    if (decision?.id !== key) continue
    switch (decision.kind) {
      case 'queued':
        show(plan, { kind: 'waiting', queued: decision })
        continue
      case 'granted':
        return { kind: 'granted', grant: decision }
      case 'timed-out':
        return never('expired', 'max-wait', `not granted within ${plan.waitUntilMs - plan.admittedAtMs} ms`)
      case 'rejected':
        return neverBecause(decision.rejection)
      case 'lease-expired':
        return never('failed', 'lease-expired', 'the lease ended before the worker was called')
      case 'cancelled':
        return { kind: 'never', ending: { kind: 'cancelled' } }
      default:
        return decision satisfies never
    }
  }
}

type Called = CallResult | { readonly kind: 'failed'; readonly ending: Ending }

/** All attempts under one grant, retried by the worker's policy. */
async function called(plan: Plan, grant: Granted): Promise<Called> {
  const { call } = plan
  if (call === null) throw ApplicationFailure.nonRetryable('an execution without a worker')
  show(plan, { kind: 'executing', worker: call.worker })
  const { callWorker } = proxyActivities<Pick<RequestActivities, 'callWorker'>>({
    startToCloseTimeout: call.timeoutMs + ATTEMPT_MARGIN_MS,
    heartbeatTimeout: HEARTBEAT_TIMEOUT_MS,
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    // The ledger counts the attempts, and the activity ends with the last one. The wait before the next is told by each
    // failure; this one is for a process that died.
    retry: { initialInterval: RESUME_AFTER_MS, backoffCoefficient: 1 },
    summary: `${call.worker} ${call.action}`,
  })
  try {
    return await callWorker({ plan, call, grant })
  } catch (error) {
    if (isCancellation(error) || !(error instanceof ActivityFailure)) throw error
    return { kind: 'failed', ending: { kind: 'failed', error: workerError(error, call) } }
  }
}

/** The result of a worker that answered 202. */
async function posted(plan: Plan, attempt: number, { results }: Mailbox): Promise<Outcome> {
  const timeoutMs = plan.call?.timeoutMs ?? 0
  const isInTime = await condition(() => results.length > 0, timeoutMs)
  const result = results[0]
  if (!isInTime || result === undefined) {
    return failed('worker-timeout', `no result within ${timeoutMs} ms after the worker had accepted`)
  }
  return { ending: endingOf(result), attempt: { attempt, use: result.use } }
}

async function settled(plan: Plan, { ending, attempt }: Outcome): Promise<RequestResult> {
  show(plan, { kind: 'settling', ending: ending.kind })
  const settlement = await settle({ requestId: plan.requestId, ending, attempt })
  show(plan, { kind: 'ended', state: settlement.state, costUsd: settlement.costUsd })
  return { requestId: plan.requestId, ...settlement }
}

function endingOf(answer: WorkerResult): Ending {
  switch (answer.status) {
    case 'success':
    case 'partial':
      return { kind: 'completed', output: answer.output, partial: answer.status === 'partial' }
    case 'failure':
      return {
        kind: 'failed',
        error: { code: 'worker-failed', detail: answer.error ?? 'the worker gave no reason' },
      }
    default:
      return answer.status satisfies never
  }
}

function workerError(failure: ActivityFailure, call: WorkerCall): RequestError {
  const cause = failure.cause
  if (cause instanceof ApplicationFailure) return { code: 'worker-failed', detail: cause.message }
  return {
    code: 'worker-timeout',
    detail: `${call.worker} did not answer in ${call.timeoutMs} ms: ${cause?.message ?? failure.message}`,
  }
}

function failed(code: string, detail: string): Outcome {
  return { ending: { kind: 'failed', error: { code, detail } }, attempt: null }
}

function never(kind: 'failed' | 'expired', code: string, detail: string): Word {
  return { kind: 'never', ending: { kind, error: { code, detail } } }
}

function neverBecause(rejection: Rejection): Word {
  const { code, detail } = refusalOfRejection(rejection)
  return never('failed', code, detail)
}

function refused(requestId: string, admission: Exclude<Admission, { kind: 'admitted' }>): RequestResult {
  const state = admission.kind === 'refused' ? 'refused' : 'known'
  setCurrentDetails(
    admission.kind === 'refused'
      ? `**refused**: ${admission.refusal.code}: ${admission.refusal.detail}`
      : `**known**: the id is taken by a request that is ${admission.state}`,
  )
  return { requestId, state, costUsd: '0' }
}

function show(plan: Plan, phase: Phase): void {
  setCurrentDetails(describe(plan, phase))
}

/** A local activity first; where that takes too long, the same step as a regular one, retried without end. */
function durable<Input, Result>(
  first: (input: Input) => Promise<Result>,
  then: (input: Input) => Promise<Result>,
): (input: Input) => Promise<Result> {
  return async (input) => {
    try {
      return await first(input)
    } catch (error) {
      if (isCancellation(error) || !(error instanceof ActivityFailure)) throw error
      log.warn('a step goes on as a regular activity', {
        step: error.activityType,
        cause: error.cause?.message,
      })
      return await then(input)
    }
  }
}
