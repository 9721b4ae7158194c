// Admission: one transaction that prices, checks and holds everything, or leaves a refusal.
//
// A1  All holds are taken, in every budget above the request, or none.
// A2  An id is admitted once. A workflow that asks again while its request is open gets the plan again.
// A3  A refused id may be tried again and is judged anew, under its next generation.
// A4  A request counts toward its client's day under a lock of the client, so that a day is never overfull.

import type { Admission, Plan } from '../../domain/admission.ts'
import { judge, refusalOfQueues, type Draft, type Facts } from '../../domain/admit.ts'
import type { Ask } from '../../domain/ask.ts'
import { spanOf, type Budget } from '../../domain/budget.ts'
import { periodStart } from '../../domain/calendar.ts'
import type { Refusal } from '../../domain/failure.ts'
import { refusalOfDay, takeHolds, tierBudget } from '../../domain/hold.ts'
import { isFinal, type RequestState } from '../../domain/request.ts'
import { ancestorPaths } from '../../domain/scope.ts'
import type { Sql, Transaction } from './database.ts'
import { lockBalances } from './lock-balances.ts'
import { readFacts, type Previous } from './read-facts.ts'
import { budgetFromRow, periodKey, planFromRow, type BudgetRow, type PlanRow } from './rows.ts'
import { QueueDepths } from './queue-depths.ts'
import { insertAdmitted, insertRefused, type Hold } from './insert-request.ts'
import { timestamp } from './statement.ts'

export async function admit(sql: Sql, ask: Ask, atMs: number): Promise<Admission> {
  const admission = await sql.begin((tx) => decide(sql, tx, ask, atMs))
  return admission ?? (await known(sql, ask))
}

/** Null where the id is taken. */
async function decide(sql: Sql, tx: Transaction, ask: Ask, atMs: number): Promise<Admission | null> {
  const paths = ancestorPaths(ask.clientId, ask.scope)
  const { facts, budgets, previous } = await readFacts(tx, { ask, paths, atMs })
  if (previous !== null && previous.state !== 'refused') return null
  const judgement = judge(ask, facts, atMs)
  if (judgement.kind === 'refused') return await refuse(judgement.refusal)

  const { draft } = judgement
  const depths = depthsOf(sql)
  const tooMany = (await refusalOfQueued(tx, draft, facts, depths)) ?? (await refusalOfToday(tx, draft, atMs))
  if (tooMany !== null) return await refuse(tooMany)
  const applying = await budgetsOf(tx, draft, budgets)
  const held = await holdsOf(tx, draft, applying, atMs)
  if (held.kind === 'refused') return await refuse(held.refusal)

  const plan = planOf(ask, draft, nextGeneration(previous), atMs)
  const isWritten = await insertAdmitted(tx, {
    ask,
    draft,
    plan,
    holds: held.holds,
    isAgain: previous !== null,
  })
  if (!isWritten) return null
  if (plan.deferUntilMs === null) depths.add(plan.demand.map(([id]) => id))
  return { kind: 'admitted', plan }

  async function refuse(refusal: Refusal): Promise<Admission | null> {
    const tier = facts.tier?.id ?? null
    const generation = nextGeneration(previous)
    const { configVersion } = facts
    const row = { ask, refusal, tier, generation, configVersion, atMs, isAgain: previous !== null }
    return (await insertRefused(tx, row)) ? { kind: 'refused', refusal } : null
  }
}

function nextGeneration(previous: Previous | null): number {
  return (previous?.generation ?? 0) + 1
}

/** Kept for as long as the pool: one process admits through one pool. */
const depthsByPool = new WeakMap<Sql, QueueDepths>()

function depthsOf(sql: Sql): QueueDepths {
  const depths = depthsByPool.get(sql) ?? new QueueDepths()
  depthsByPool.set(sql, depths)
  return depths
}

async function refusalOfQueued(
  tx: Transaction,
  { demand }: Draft,
  facts: Facts,
  depths: QueueDepths,
): Promise<Refusal | null> {
  const limits = demand.map(([id]) => [id, facts.resources[id]?.maxQueue ?? 0] as const)
  return refusalOfQueues(demand, facts, await depths.waiting(tx, limits))
}

async function refusalOfToday(tx: Transaction, { client }: Draft, atMs: number): Promise<Refusal | null> {
  if (client.dailyRequests === null) return null
  const dayStartMs = periodStart({ period: 'day', timezone: 'UTC' }, atMs)
  // Two statements: the second one sees what whoever held the lock has written.
  const [, [today]] = await Promise.all([
    tx`select from client where id = ${client.id} for no key update`,
    tx<[{ requests: number }]>`
      select count(*) as requests
      from request
      where client_id = ${client.id} and created_at >= ${timestamp(dayStartMs)} and state <> 'refused'`,
  ])
  return refusalOfDay(client, today.requests, atMs)
}

type KeptBudget = Budget & { readonly id: number }

/** The budgets that apply, root first; the tier's gets its row when it is first used. */
async function budgetsOf(
  tx: Transaction,
  { client, tier }: Draft,
  rows: readonly BudgetRow[],
): Promise<readonly KeptBudget[]> {
  const own = rows.filter(({ source }) => source === 'own')
  const kept = own.map((row) => ({ ...budgetFromRow(row), id: row.id, depth: row.depth }))
  const implicit = tierBudget(client, tier, own)
  if (implicit === null) return kept
  const { scope, unit, period, timezone } = implicit
  const isSame = (row: BudgetRow) =>
    row.scope === scope && row.unit === unit && row.period === period && row.timezone === timezone
  const id = rows.find(isSame)?.id ?? (await insertTierBudget(tx, implicit))
  return [...kept, { ...implicit, id, depth: 1 }].sort((a, b) => a.depth - b.depth || a.id - b.id)
}

async function insertTierBudget(tx: Transaction, { scope, unit, period, timezone }: Budget): Promise<number> {
  const inserted = await tx<{ id: number }[]>`
    insert into budget (scope, unit, period, timezone, source, is_active, enforcement)
    values (${scope}, ${unit}, ${period}, ${timezone}, 'tier', false, 'hard')
    on conflict (scope, unit, period, timezone, window_ms) where credit_id is null
    do update set source = budget.source
    returning id`
  const id = inserted[0]?.id
  if (id === undefined) throw new Error(`the budget of ${scope} was not written`)
  return id
}

type Held =
  | { readonly kind: 'held'; readonly holds: readonly Hold[] }
  | { readonly kind: 'refused'; readonly refusal: Refusal }

async function holdsOf(
  tx: Transaction,
  { demand, estimatedNanoUsd }: Draft,
  budgets: readonly KeptBudget[],
  atMs: number,
): Promise<Held> {
  const periods = budgets.map((budget) => ({ budgetId: budget.id, startsAtMs: spanOf(budget, atMs).startMs }))
  const balances = await lockBalances(tx, periods)
  const claimed = budgets.map((budget) => {
    const key = periodKey(budget.id, spanOf(budget, atMs).startMs)
    return [budget, balances[key] ?? null] as const
  })
  const taken = takeHolds({ budgets: claimed, demand, costNanoUsd: estimatedNanoUsd, atMs })
  if (taken.kind === 'refused') return taken
  const holds = taken.holds.map(({ budget, amount }) => ({
    budgetId: budget.id,
    startsAtMs: spanOf(budget, atMs).startMs,
    amount,
  }))
  return { kind: 'held', holds }
}

function planOf(ask: Ask, draft: Draft, generation: number, atMs: number): Plan {
  const { client, tier, demandFrom: _demandFrom, longestWaitMs: _longestWaitMs, ...rest } = draft
  return { requestId: ask.id, generation, clientId: client.id, tier: tier.id, admittedAtMs: atMs, ...rest }
}

type KnownRow = PlanRow & { readonly state: RequestState; readonly bodyHash: string }

/** What there is under the id (A2). */
async function known(sql: Sql, ask: Ask): Promise<Admission> {
  const [row] = await sql<[KnownRow]>`
    select id, state, body_hash, generation, client_id, tier, max_concurrent, urgency, demand, created_at,
           defer_until, wait_until, lease_ms, deadline, estimated_cost, config_version, call, input
    from request where id = ${ask.id}`
  const isSame = row.bodyHash === ask.bodyHash
  const plan = isSame && !isFinal(row.state) ? planFromRow(row) : null
  if (plan !== null && ask.kind === 'execution') return { kind: 'admitted', plan }
  return { kind: 'known', state: row.state, sameBody: isSame, plan }
}
