// A ledger with a small catalogue, and asks with everything said that a test does not care about.

import type { ExecutionAsk, ReservationAsk } from '../../domain/ask.ts'
import { nano, parseUsd } from '../../domain/money.ts'
import type { Resource } from '../../domain/resource.ts'
import { RESOURCE_DEFAULTS } from '../../domain/resource.ts'
import { NO_SCOPE } from '../../domain/scope.ts'
import { PRICE_DEFAULTS } from '../../domain/price.ts'
import { TIER_DEFAULTS } from '../../domain/tier.ts'
import type { Tier } from '../../domain/tier.ts'
import type { Budget } from '../../domain/budget.ts'
import type { Client } from '../../domain/client.ts'
import type { Worker } from '../../domain/worker.ts'
import type { Effect, Granted } from '../../limiter/effect.ts'
import { openDatabase, type Sql } from '../../activities/ledger/database.ts'
import { migrate } from '../../activities/ledger/migrate.ts'
import { putBudgets as put } from '../../activities/ledger/put-budgets.ts'
import type { CarveOutAsk } from '../../activities/ledger/carve-outs.ts'
import { putClient } from '../../activities/ledger/put-client.ts'
import { putPrice, type PriceChange } from '../../activities/ledger/put-price.ts'
import { putResource } from '../../activities/ledger/put-resource.ts'
import { putTier } from '../../activities/ledger/put-tier.ts'
import { putWorker } from '../../activities/ledger/put-worker.ts'
import { eventually } from '../support/await-state.ts'
import { createDatabase } from '../support/postgres.ts'

/** A Saturday at noon, UTC. */
export const NOON = Date.parse('2026-11-21T12:00:00.000Z')
export const TOKENS = 'gpt/tokens'
export const CALLS = 'gpt/calls'
export const ACTOR = 'test'

export type Ledger = { readonly sql: Sql; readonly url: string; close(): Promise<void> }

export async function openLedger(): Promise<Ledger> {
  const database = await createDatabase()
  const sql = await openLedgerAt(database.url)
  return {
    sql,
    url: database.url,
    async close() {
      await sql.end()
      await database.drop()
    },
  }
}

/** The same in a database of the caller's, which is empty. */
export async function openLedgerAt(url: string): Promise<Sql> {
  await migrate(url)
  const sql = openDatabase(url, { max: 16 })
  await putTier(sql, tier(), ACTOR)
  await putResource(sql, resource(), ACTOR)
  await putResource(sql, resource({ id: CALLS, unit: 'calls' }), ACTOR)
  await price(sql, TOKENS, '0.001')
  await price(sql, CALLS, '0')
  await putWorker(sql, worker(), ACTOR)
  await client(sql, { id: 'acme' })
  return sql
}

export function tier(given: Partial<Tier> = {}): Tier {
  return { id: 'standard', points: 20, weight: 2, ...TIER_DEFAULTS, ...given }
}

export function resource(given: Partial<Resource> = {}): Resource {
  const limits = [{ type: 'sliding-window', units: 1_000_000, windowMs: 60_000 }] as const
  return { ...RESOURCE_DEFAULTS, id: TOKENS, unit: 'tokens', limits, ...given }
}

export function worker(given: Partial<Worker> = {}): Worker {
  return {
    name: 'echo',
    version: '1',
    capabilities: ['work'],
    typical: { [TOKENS]: 10 },
    maximum: {},
    target: { kind: 'http', executeUrl: 'http://localhost/execute', healthUrl: null, cancelUrl: null },
    timeoutMs: 60_000,
    expectedMs: null,
    retryPolicy: { maxAttempts: 3, backoffMs: [] },
    planned: false,
    ...given,
  }
}

export async function client(
  sql: Sql,
  given: Partial<Client> & { readonly id: string },
  budgets: readonly Budget[] = [],
) {
  const full = {
    tier: 'standard',
    maxConcurrent: null,
    dailyRequests: null,
    priorityMax: 'urgent',
    ...given,
  } as const
  return await putClient(sql, full, budgets, ACTOR)
}

export async function price(
  sql: Sql,
  resourceId: string,
  perUnitUsd: string,
  given: Partial<PriceChange> = {},
) {
  const terms = { ...PRICE_DEFAULTS, effectiveFromMs: 0, source: 'test', ...given }
  return await putPrice(sql, { resourceId, perUnitUsd, ...terms }, ACTOR)
}

/** When that many statements wait for a lock. Not asked in a transaction, which would see one moment alone. */
export async function waiting(sql: Sql, statements: number): Promise<void> {
  await eventually(async () => {
    const [{ count }] = await sql<[{ count: number }]>`
      select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`
    return count >= statements
  })
}

export function hard(scope: string, amount: string | number, given: Partial<Budget> = {}): Budget {
  const isUsd = typeof amount === 'string'
  const base = { scope, period: 'month', timezone: 'UTC', ...given } as const
  return { ...base, unit: isUsd ? 'USD' : TOKENS, amount: isUsd ? usd(amount) : amount, enforcement: 'hard' }
}

/** As an operator does it. */
export async function putBudgets(
  sql: Sql,
  scope: string,
  budgets: readonly Budget[],
  carveOuts: readonly CarveOutAsk[] = [],
) {
  return await put(sql, { scope, budgets, carveOuts }, { actor: ACTOR, mayRaise: true, atMs: NOON })
}

export function usd(text: string) {
  return nano(parseUsd(text) ?? Number.NaN)
}

let asked = 0

export function execution(given: Partial<ExecutionAsk> = {}): ExecutionAsk {
  asked += 1
  return {
    kind: 'execution',
    id: `r-${asked}`,
    bodyHash: 'hash',
    clientId: 'acme',
    template: null,
    worker: 'echo',
    action: null,
    input: { topic: 'tides' },
    inputTokens: null,
    urgency: 'normal',
    accuracy: 'standard',
    resources: null,
    scope: NO_SCOPE,
    maxWaitMs: null,
    deadlineMs: null,
    deferUntilMs: null,
    maxCostNanoUsd: null,
    labels: {},
    ...given,
  }
}

export function reservation(given: Partial<ReservationAsk> = {}): ReservationAsk {
  asked += 1
  return {
    kind: 'reservation',
    id: `x-${asked}`,
    bodyHash: 'hash',
    clientId: 'acme',
    urgency: 'normal',
    scope: NO_SCOPE,
    maxWaitMs: 0,
    resources: { [TOKENS]: 10 },
    costNanoUsd: null,
    ttlMs: 60_000,
    ...given,
  }
}

export function granted(requestId: string, atMs = NOON, generation = 1): Granted {
  return {
    kind: 'granted',
    id: `${requestId}#${generation}`,
    atMs,
    startByMs: atMs + 60_000,
    expiresAtMs: atMs + 60_000,
    demand: [],
    waitedFor: null,
    configVersion: 1,
  }
}

export function effect<K extends 'cancelled' | 'lease-expired'>(
  kind: K,
  requestId: string,
  atMs = NOON,
): Effect {
  return { kind, id: `${requestId}#1`, atMs }
}
