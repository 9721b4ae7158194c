// Writes the rows of requests: with their holds where they are admitted, with their refusals where they are refused.
//
// W1  One statement writes the requests, their holds, the entries, the balances and the events.
// W2  An id that was refused before has its row written anew; one that is taken by another request is left alone, and
//     then nothing else of it is written either.

import type { Plan } from '../../domain/admission.ts'
import type { Draft } from '../../domain/admit.ts'
import type { Ask } from '../../domain/ask.ts'
import type { Refusal } from '../../domain/failure.ts'
import { fromDemand } from '../../domain/resource.ts'
import { ancestorPaths } from '../../domain/scope.ts'
import type { KeptBudget } from './budgets-to-hold.ts'
import type { Transaction } from './database.ts'
import { columns, jsonb, timestamp, typedColumns } from './statement.ts'
import { insertAdmissions } from './usage.ts'

export type Hold = { readonly budgetId: number; readonly startsAtMs: number; readonly amount: number }

export type NewRequest = Admitted | Refused

type Admitted = {
  readonly kind: 'admitted'
  readonly ask: Ask
  readonly draft: Draft
  readonly plan: Plan
  readonly holds: readonly Hold[]
}

type Refused = {
  readonly kind: 'refused'
  readonly ask: Ask
  readonly refusal: Refusal
  /** The budget that refuses; null where another thing does. */
  readonly by: KeptBudget | null
  readonly tier: string | null
  readonly generation: number
  readonly configVersion: number
  readonly atMs: number
}

const COLUMNS = {
  id: 'text',
  kind: 'text',
  body_hash: 'text',
  client_id: 'text',
  tier: 'text',
  scope: 'jsonb',
  scope_path: 'text',
  labels: 'jsonb',
  state: 'text',
  generation: 'integer',
  admission: 'integer',
  urgency: 'text',
  asked_urgency: 'text',
  accuracy: 'text',
  template: 'text',
  worker: 'text',
  call: 'jsonb',
  input: 'jsonb',
  max_concurrent: 'integer',
  demand: 'jsonb',
  demand_from: 'text',
  input_tokens: 'bigint',
  estimated_cost: 'bigint',
  config_version: 'bigint',
  created_at: 'timestamptz',
  defer_until: 'timestamptz',
  wait_until: 'timestamptz',
  longest_wait_ms: 'bigint',
  deadline: 'timestamptz',
  lease_ms: 'bigint',
  ended_at: 'timestamptz',
  refusal: 'jsonb',
} as const

/** The ids that were written: all of them, or but for those that somebody else has taken in the meantime. */
export async function insertRequests(
  tx: Transaction,
  requests: readonly NewRequest[],
): Promise<ReadonlySet<string>> {
  const rows = requests.map((one) => (one.kind === 'admitted' ? rowOfAdmitted(one) : rowOfRefused(one)))
  const holds = requests.flatMap((one) => (one.kind === 'admitted' ? one.holds.map(holdOf(one)) : []))
  const written = await tx<{ id: string }[]>`
    with written as (
      insert into request (${columns(COLUMNS)})
      select ${columns(COLUMNS)}
      from jsonb_to_recordset(${jsonb(rows)}) as row (${typedColumns(COLUMNS)})
      -- Whoever writes several ids takes them in one order: nobody waits in a circle.
      order by id
      on conflict (id) do update
      -- What the limiter said of its earlier life goes with it, and what that came to.
      set (${columns(COLUMNS)}, position, eta, waiting_for, waited_for, decided_version, error, actual_cost) =
          (${columns(COLUMNS, 'excluded')}, null, null, null, null, null, null, null)
      where request.state = 'refused' and request.generation < excluded.generation
      returning id, admission, state, created_at, client_id, scope_path, template, worker
    ), usage as (${insertAdmissions(tx)}
    ), held as (
      select id, admission, budget_id, starts_at, amount, created_at
      from written join jsonb_to_recordset(${jsonb(holds)})
        as hold (request_id text, budget_id bigint, starts_at timestamptz, amount bigint) on request_id = id
    ), holds as (
      insert into hold (request_id, admission, budget_id, starts_at, amount, is_open)
      select id, admission, budget_id, starts_at, amount, true from held
    ), entries as (
      insert into entry (request_id, admission, attempt, kind, budget_id, held, used, surcharge, at)
      select id, admission, 0, 'hold', budget_id, amount, 0, 0, created_at from held
    ), balances as (
      update budget_period p set held = p.held + h.amount
      from (select budget_id, starts_at, sum(amount)::bigint as amount
            from held group by budget_id, starts_at) as h
      where p.budget_id = h.budget_id and p.starts_at = h.starts_at and h.amount > 0
    ), events as (
      insert into event (request_id, state, at)
      select id, reached.state, created_at
      from written, lateral (values (1, 'admitted'), (2, written.state)) as reached (nth, state)
      where written.state <> 'refused'
      order by created_at, id, nth
    )
    select id from written`
  return new Set(written.map(({ id }) => id))
}

/** A column that is left out is null. */
type RequestRow = Readonly<Partial<Record<keyof typeof COLUMNS, unknown>>>

function rowOfAdmitted({ ask, draft, plan }: Admitted): RequestRow {
  const { input, ...call } = plan.call ?? { input: null }
  return {
    ...rowOfAsk(ask),
    tier: plan.tier,
    state: plan.deferUntilMs === null ? 'waiting' : 'deferred',
    generation: plan.generation,
    admission: plan.generation,
    urgency: plan.urgency,
    ...(plan.call !== null && { worker: plan.call.worker, call }),
    ...(input !== null && { input }),
    max_concurrent: plan.maxConcurrent,
    demand: fromDemand(plan.demand),
    demand_from: draft.demandFrom,
    estimated_cost: plan.estimatedNanoUsd,
    config_version: plan.configVersion,
    created_at: timestamp(plan.admittedAtMs),
    defer_until: timestamp(plan.deferUntilMs),
    wait_until: timestamp(plan.waitUntilMs),
    longest_wait_ms: draft.longestWaitMs,
    deadline: timestamp(plan.deadlineMs),
    lease_ms: plan.leaseMs,
  }
}

function rowOfRefused({ ask, refusal, tier, generation, configVersion, atMs }: Refused): RequestRow {
  return {
    ...rowOfAsk(ask),
    tier,
    state: 'refused',
    generation,
    admission: generation,
    urgency: ask.urgency,
    worker: ask.kind === 'execution' ? ask.worker : null,
    demand: ask.resources ?? {},
    estimated_cost: 0,
    config_version: configVersion,
    created_at: timestamp(atMs),
    ended_at: timestamp(atMs),
    refusal,
  }
}

function rowOfAsk(ask: Ask): RequestRow {
  const paths = ancestorPaths(ask.clientId, ask.scope)
  return {
    id: ask.id,
    kind: ask.kind,
    body_hash: ask.bodyHash,
    client_id: ask.clientId,
    scope: ask.scope,
    scope_path: paths[paths.length - 1] ?? ask.clientId,
    labels: ask.kind === 'execution' ? ask.labels : {},
    asked_urgency: ask.urgency,
    accuracy: ask.kind === 'execution' ? ask.accuracy : null,
    template: ask.kind === 'execution' ? ask.template : null,
    input_tokens: ask.kind === 'execution' ? ask.inputTokens : null,
  }
}

function holdOf({ ask }: Admitted) {
  return ({ budgetId, startsAtMs, amount }: Hold) => ({
    request_id: ask.id,
    budget_id: budgetId,
    starts_at: timestamp(startsAtMs),
    amount,
  })
}
