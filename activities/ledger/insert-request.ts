// Writes the row of a request: with its holds where it is admitted, with its refusal where it is refused.
//
// W1  One statement writes the request, its holds, their entries, the balances and the events.
// W2  Nothing is written where the id is taken by a request that was not refused.

import type { Plan } from '../../domain/admission.ts'
import type { Draft } from '../../domain/admit.ts'
import type { Ask } from '../../domain/ask.ts'
import type { Refusal } from '../../domain/failure.ts'
import { fromDemand } from '../../domain/resource.ts'
import { ancestorPaths } from '../../domain/scope.ts'
import type { Transaction } from './database.ts'
import { insertRow, jsonb, setRow, timestamp, type Value } from './statement.ts'

export type Hold = { readonly budgetId: number; readonly startsAtMs: number; readonly amount: number }

type Admitted = {
  readonly ask: Ask
  readonly draft: Draft
  readonly plan: Plan
  readonly holds: readonly Hold[]
  /** The id was refused before. */
  readonly isAgain: boolean
}

/** False where the id is taken. */
export async function insertAdmitted(tx: Transaction, admitted: Admitted): Promise<boolean> {
  const { ask, draft, plan, isAgain } = admitted
  const state = plan.deferUntilMs === null ? 'waiting' : 'deferred'
  const row = {
    ...columnsOf(ask),
    tier: plan.tier,
    state,
    generation: plan.generation,
    admission: plan.generation,
    urgency: plan.urgency,
    worker: plan.call?.worker ?? null,
    ...callColumns(plan),
    maxConcurrent: plan.maxConcurrent,
    demand: jsonb(fromDemand(plan.demand)),
    demandFrom: draft.demandFrom,
    estimatedCost: plan.estimatedNanoUsd,
    configVersion: plan.configVersion,
    createdAt: timestamp(plan.admittedAtMs),
    deferUntil: timestamp(plan.deferUntilMs),
    waitUntil: timestamp(plan.waitUntilMs),
    longestWaitMs: draft.longestWaitMs,
    deadline: timestamp(plan.deadlineMs),
    leaseMs: plan.leaseMs,
    endedAt: null,
    refusal: null,
  }
  const holds = admitted.holds.map(({ budgetId, startsAtMs, amount }) => ({
    budget_id: budgetId,
    starts_at: timestamp(startsAtMs),
    amount,
  }))
  const written = await tx`
    with written as (${write(tx, ask.id, row, isAgain)}),
    held as (
      select id, admission, budget_id, starts_at, amount
      from written, jsonb_to_recordset(${jsonb(holds)})
        as hold (budget_id bigint, starts_at timestamptz, amount bigint)
    ), holds as (
      insert into hold (request_id, admission, budget_id, starts_at, amount, is_open)
      select id, admission, budget_id, starts_at, amount, true from held
    ), entries as (
      insert into entry (request_id, admission, attempt, kind, budget_id, held, used, surcharge, at)
      select id, admission, 0, 'hold', budget_id, amount, 0, 0, ${timestamp(plan.admittedAtMs)} from held
    ), balances as (
      update budget_period p set held = p.held + h.amount
      from held h
      where p.budget_id = h.budget_id and p.starts_at = h.starts_at and h.amount > 0
    ), events as (
      insert into event (request_id, state, at)
      select id, reached.state, ${timestamp(plan.admittedAtMs)}
      from written, (values (1, 'admitted'), (2, ${state})) as reached (nth, state)
      order by nth
    )
    select id from written`
  return written.length > 0
}

type Refused = {
  readonly ask: Ask
  readonly refusal: Refusal
  readonly tier: string | null
  readonly generation: number
  readonly configVersion: number
  readonly atMs: number
  readonly isAgain: boolean
}

/** False where the id is taken. */
export async function insertRefused(tx: Transaction, refused: Refused): Promise<boolean> {
  const { ask, refusal, tier, generation, configVersion, atMs, isAgain } = refused
  const row = {
    ...columnsOf(ask),
    tier,
    state: 'refused',
    generation,
    admission: generation,
    urgency: ask.urgency,
    worker: ask.kind === 'execution' ? ask.worker : null,
    call: null,
    input: null,
    maxConcurrent: null,
    demand: jsonb(ask.resources ?? {}),
    demandFrom: null,
    estimatedCost: 0,
    configVersion,
    createdAt: timestamp(atMs),
    deferUntil: null,
    waitUntil: null,
    longestWaitMs: null,
    deadline: null,
    leaseMs: null,
    endedAt: timestamp(atMs),
    refusal: jsonb(refusal),
  }
  const written = await write(tx, ask.id, row, isAgain)
  return written.length > 0
}

/** What a request that the limiter refused has from its earlier life. */
const CLEARED = {
  position: null,
  eta: null,
  waitingFor: null,
  waitedFor: null,
  decidedVersion: null,
  error: null,
}

function write(tx: Transaction, id: string, row: Readonly<Record<string, Value>>, isAgain: boolean) {
  return isAgain
    ? tx`update request set ${setRow({ ...row, ...CLEARED })}
         where id = ${id} and state = 'refused' returning id, admission`
    : tx`insert into request ${insertRow(row)} on conflict (id) do nothing returning id, admission`
}

function columnsOf(ask: Ask) {
  const paths = ancestorPaths(ask.clientId, ask.scope)
  return {
    id: ask.id,
    kind: ask.kind,
    bodyHash: ask.bodyHash,
    clientId: ask.clientId,
    scope: jsonb(ask.scope),
    scopePath: paths[paths.length - 1] ?? ask.clientId,
    labels: jsonb(ask.kind === 'execution' ? ask.labels : {}),
    askedUrgency: ask.urgency,
    accuracy: ask.kind === 'execution' ? ask.accuracy : null,
    template: ask.kind === 'execution' ? ask.template : null,
  }
}

function callColumns({ call }: Plan) {
  if (call === null) return { call: null, input: null }
  const { input, ...rest } = call
  return { call: jsonb(rest), input: jsonb(input) }
}
