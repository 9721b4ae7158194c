// The real workflows, ledger, coalescer and limiter on a server whose time can be skipped; the worker is an HTTP
// server of the test's own.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestWorkflowEnvironment } from '@temporalio/testing'
import type { WorkflowBundleOption } from '@temporalio/worker'
import { pino } from 'pino'
import { Announcements } from '../../activities/announcements.ts'
import { deliverEffects } from '../../activities/delivery.ts'
import { openDatabase, type Sql } from '../../activities/ledger/database.ts'
import { migrate } from '../../activities/ledger/migrate.ts'
import { RETENTION_DEFAULT } from '../../activities/ledger/retention.ts'
import { LimiterView } from '../../activities/limiter-view.ts'
import { Operations } from '../../activities/operations.ts'
import type { ActivityContext } from '../../activities/request-activities.ts'
import { Requests } from '../../activities/requests.ts'
import { putClient } from '../../activities/ledger/put-client.ts'
import { putPrice } from '../../activities/ledger/put-price.ts'
import { putResource } from '../../activities/ledger/put-resource.ts'
import { putTier } from '../../activities/ledger/put-tier.ts'
import { putWorker } from '../../activities/ledger/put-worker.ts'
import type { Budget } from '../../domain/budget.ts'
import type { Client } from '../../domain/client.ts'
import type { Limit } from '../../domain/limit.ts'
import { RESOURCE_DEFAULTS } from '../../domain/resource.ts'
import { TIER_DEFAULTS } from '../../domain/tier.ts'
import { PRICE_DEFAULTS } from '../../domain/price.ts'
import type { ExecutionAsk } from '../../domain/ask.ts'
import type { Json } from '../../domain/failure.ts'
import { NO_SCOPE } from '../../domain/scope.ts'
import { LIMITER_GROUP } from '../../workflows/messages.ts'
import { addSearchAttributes } from '../../ops/search-attributes.ts'
import { startWorkers } from '../../ops/workers.ts'
import { createDatabase } from '../support/postgres.ts'

export type Call = { readonly requestId: string; readonly attempt: number; readonly resources: Json }

/** Answers a call; whatever it returns is the worker's answer, with its status where it gives one. */
export type Behaviour = (call: Call) => Promise<Answer> | Answer
export type Answer =
  | { readonly status?: number; readonly headers?: Record<string, string>; readonly body: Json }
  | 'hang'
  | 'crash'

export type Harness = {
  readonly env: TestWorkflowEnvironment
  readonly sql: Sql
  readonly operations: Operations
  readonly requests: Requests
  readonly context: ActivityContext
  readonly calls: readonly Call[]
  readonly workerUrl: string
  behave(behaviour: Behaviour): void
  /** Skips the server's time and the activities' clock alike. */
  skip(ms: number): Promise<void>
  /** Puts the activities' clock forward, and nobody else's. */
  advance(ms: number): void
  now(): number
  stop(): Promise<void>
}

export async function startHarness(
  env: TestWorkflowEnvironment,
  workflowBundle: WorkflowBundleOption,
): Promise<Harness> {
  await addSearchAttributes(env.nativeConnection, env.namespace ?? 'default')
  const database = await createDatabase()
  await migrate(database.url)
  const sql = openDatabase(database.url, { max: 10 })
  const announcements = new Announcements(sql)
  await announcements.start()
  let skippedMs = 0
  const now = (): number => Date.now() + skippedMs
  const log = pino({ level: 'silent' })
  const operations = new Operations(env.client.workflow, {
    group: LIMITER_GROUP,
    historyEventsMax: 1_000,
    deliver: (effects, awaitedHere) =>
      deliverEffects(
        { context, workflows: env.client.workflow, warn: () => undefined },
        effects,
        awaitedHere,
      ),
    log,
  })
  const view = new LimiterView(sql, LIMITER_GROUP, log)
  const context: ActivityContext = { sql, announcements, operations, now }
  const workers = await startWorkers({
    connection: env.nativeConnection,
    namespace: env.namespace ?? 'default',
    context,
    view,
    retention: RETENTION_DEFAULT,
    workflowBundle,
  })
  const worker = await startWorker()
  return {
    env,
    sql,
    operations,
    requests: new Requests(env.client, { isEager: false }),
    context,
    calls: worker.calls,
    workerUrl: worker.url,
    behave: worker.behave,
    async skip(ms) {
      await env.sleep(ms)
      skippedMs = (await env.currentTimeMs()) - Date.now()
    },
    advance(ms) {
      skippedMs += ms
    },
    now,
    async stop() {
      await workers.stop()
      await operations.close()
      await worker.stop()
      await announcements.stop()
      await sql.end()
      await database.drop()
    },
  }
}

/** One client, one worker, and the resource `gpt` with a slot for each concurrent call. */
export async function furnish({ sql, workerUrl }: Harness, more: Furniture = {}): Promise<void> {
  const limits = more.limits ?? [{ type: 'concurrency', slots: 1, per: 'reservation' }]
  await putTier(sql, { ...TIER_DEFAULTS, id: 'premium', points: 30, weight: 3 }, ACTOR)
  await putResource(sql, { ...RESOURCE_DEFAULTS, id: 'gpt', unit: 'tokens', limits }, ACTOR)
  const price = {
    ...PRICE_DEFAULTS,
    resourceId: 'gpt',
    effectiveFromMs: 0,
    perUnitUsd: '0.01',
    source: 'the test',
  }
  await putPrice(sql, price, ACTOR)
  const budget: Budget = {
    scope: 'acme',
    unit: 'USD',
    amount: more.budgetNanoUsd ?? 100_000_000_000,
    period: 'total',
    timezone: 'UTC',
    enforcement: 'hard',
  }
  const client: Client = {
    id: 'acme',
    tier: 'premium',
    maxConcurrent: null,
    dailyRequests: null,
    priorityMax: 'urgent',
  }
  await putClient(sql, client, [budget], ACTOR)
  await putWorker(
    sql,
    {
      name: 'tester',
      version: '1',
      capabilities: ['work'],
      typical: { gpt: 10 },
      maximum: { gpt: 10 },
      target: { kind: 'http', executeUrl: workerUrl, healthUrl: null, cancelUrl: null },
      timeoutMs: more.timeoutMs ?? 5_000,
      expectedMs: null,
      retryPolicy: { maxAttempts: 3, backoffMs: [50, 100] },
      planned: false,
    },
    ACTOR,
  )
}

type Furniture = {
  readonly limits?: readonly Limit[]
  readonly budgetNanoUsd?: number
  readonly timeoutMs?: number
}

const ACTOR = 'the test'

export function executionAsk(id: string, more: Partial<ExecutionAsk> = {}): ExecutionAsk {
  return {
    kind: 'execution',
    id,
    bodyHash: `hash of ${id}`,
    clientId: 'acme',
    inputTokens: null,
    urgency: 'normal',
    scope: NO_SCOPE,
    maxWaitMs: null,
    template: null,
    worker: 'tester',
    action: 'work',
    input: {},
    accuracy: 'standard',
    resources: { gpt: 10 },
    deadlineMs: null,
    deferUntilMs: null,
    maxCostNanoUsd: null,
    labels: {},
    ...more,
  }
}

async function startWorker(): Promise<{
  url: string
  calls: Call[]
  behave(behaviour: Behaviour): void
  stop(): Promise<void>
}> {
  const calls: Call[] = []
  let behaviour: Behaviour = () => ({ body: { status: 'success', output: null } })
  const server = createServer((request, response) => void answer(request, response))
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const call = JSON.parse(Buffer.concat(chunks).toString()) as Call
    calls.push(call)
    const given = await behaviour(call)
    if (given === 'hang') return
    if (given === 'crash') {
      response.destroy()
      return
    }
    response.writeHead(given.status ?? 200, given.headers).end(JSON.stringify(given.body))
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/execute`,
    calls,
    behave(next) {
      behaviour = next
    },
    stop: () => close(server),
  }
}

async function close(server: Server): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve))
  server.closeAllConnections()
  await closed
}
