// The wiring of one service process: connections first, then workers, then the API.

import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Client, Connection } from '@temporalio/client'
import { loadClientConnectConfig } from '@temporalio/envconfig'
import { NativeConnection, Runtime } from '@temporalio/worker'
import { pino, type Logger } from 'pino'
import packageJson from '../package.json' with { type: 'json' }
import { Announcements } from '../activities/announcements.ts'
import { deliverEffects, type DeliveryEdges } from '../activities/delivery.ts'
import { openDatabase } from '../activities/ledger/database.ts'
import { LimiterView } from '../activities/limiter-view.ts'
import { Operations } from '../activities/operations.ts'
import type { ActivityContext } from '../activities/request-activities.ts'
import { Requests } from '../activities/requests.ts'
import { createApp } from '../api/app.ts'
import { applyCatalogue, loadCatalogue } from '../api/catalogue.ts'
import type { ApiContext, TemporalEdge } from '../api/context.ts'
import { hashKey } from '../api/keys.ts'
import { Problem } from '../api/problem.ts'
import { TokenCounter } from '../api/tokens/counter.ts'
import { LIMITER_GROUP } from '../workflows/messages.ts'
import { registerEcho } from './echo.ts'
import { readRetention } from './retention.ts'
import { registerSearchAttributes } from './search-attributes.ts'
import { keepSchedules } from './upkeep-schedules.ts'
import { startWorkers, type Workers } from './workers.ts'
import { workflowBundle } from './workflow-bundle.ts'

export type Role = 'api' | 'worker'

export type ServiceOptions = {
  readonly environment: NodeJS.ProcessEnv
  readonly roles: readonly Role[]
  readonly log: Logger
}

export type Service = {
  /** Null where this process has no API. */
  readonly url: string | null
  /** Rejects when a worker fails for good. */
  readonly failed: Promise<void>
  stop(): Promise<void>
}

const DATABASE_CONNECTIONS = 20
/** The limiter continues as new after this many events: replay after a move stays short. */
const HISTORY_EVENTS_MAX = 1_000
const HEALTH_TIMEOUT_MS = 1_000

export async function startService({ environment, roles, log }: ServiceOptions): Promise<Service> {
  const retention = readRetention(environment)
  Runtime.install({ logger: temporalLogger(log) })
  const sql = openDatabase(required(environment, 'DATABASE_URL'), { max: DATABASE_CONNECTIONS })
  const announcements = new Announcements(sql)
  await announcements.start()

  const { connectionOptions, namespace = 'default' } = loadClientConnectConfig()
  const connection = await NativeConnection.connect(connectionOptions)
  const client = new Client({ connection, namespace })
  await registerSearchAttributes(connection, namespace)

  // A limiter that continues as new answers "busy" for milliseconds. The native connection waits a second and more before
  // it tries again, and would hold up everybody behind; this one leaves it to the coalescer, which tries closely.
  const signals = await Connection.connect({ ...connectionOptions, interceptors: [] })
  const operations = new Operations(new Client({ connection: signals, namespace }).workflow, {
    group: LIMITER_GROUP,
    historyEventsMax: HISTORY_EVENTS_MAX,
    deliver: (effects, awaitedHere) => deliverEffects(delivery, effects, awaitedHere),
    log,
  })
  const view = new LimiterView(sql, LIMITER_GROUP, log)
  const context: ActivityContext = { sql, announcements, operations, now: Date.now }
  const delivery: DeliveryEdges = {
    context,
    workflows: client.workflow,
    warn: (message, fields) => log.warn(fields, message),
  }

  let workers: Workers | null = null
  if (roles.includes('worker')) {
    const bundle = await workflowBundle((line) => log.info(line))
    workers = await startWorkers({ connection, namespace, context, view, retention, workflowBundle: bundle })
    await keepSchedules(client.schedule)
  }

  let server: Server | null = null
  let tokens: TokenCounter | null = null
  if (roles.includes('api')) {
    tokens = new TokenCounter()
    // The vocabulary is read before the first request needs it.
    void tokens.count('ready')
    const requests = new Requests(client, { isEager: roles.includes('worker') })
    const api: ApiContext = {
      sql,
      announcements,
      operations,
      temporal: temporalEdge(requests, { connection, namespace, environment }),
      tokens,
      limiterView: () => view.current(),
      adminKeyHash: hashKey(required(environment, 'RM_ADMIN_KEY')),
      log,
      about: {
        version: packageJson.version,
        startedAtMs: Date.now(),
        sampleWorkerUrl: environment['RM_SAMPLE_WORKER_URL'] ?? null,
        simulatorUrl: environment['RM_SIMULATOR_URL'] ?? null,
      },
    }
    await furnish(api, environment)
    server = createServer(createApp(api))
    await listen(server, {
      port: Number(environment['PORT'] ?? 3_000),
      host: environment['RM_HOST'] ?? '127.0.0.1',
    })
  }

  return {
    url: server === null ? null : urlOf(server),
    failed: workers?.running ?? new Promise(() => undefined),
    async stop() {
      await closeServer(server)
      await tokens?.close()
      await workers?.stop()
      await operations.close()
      await Promise.all([connection.close(), signals.close()])
      await announcements.stop()
      await sql.end({ timeout: 2 })
    },
  }
}

/** The catalogue of a first start, and the worker `echo` where the sample workers run. */
async function furnish(api: ApiContext, environment: NodeJS.ProcessEnv): Promise<void> {
  const { RM_CONFIG: catalogue, RM_SAMPLE_WORKER_URL: sampleWorkerUrl } = environment
  if (catalogue !== undefined) {
    const variables = sampleWorkerUrl === undefined ? {} : { SAMPLE_WORKERS: sampleWorkerUrl }
    await applyCatalogue(api, await loadCatalogue(catalogue, variables)).catch((error: unknown) => {
      if (!(error instanceof Problem) || error.code !== 'unavailable') throw error
      // The change is stored and on its way to the limiter, which is only slow to say so.
      api.log.warn({ err: error }, 'the limiter has not confirmed the configuration yet')
    })
  }
  if (sampleWorkerUrl !== undefined) await registerEcho(api.sql, sampleWorkerUrl)
}

type EdgeOptions = {
  readonly connection: NativeConnection
  readonly namespace: string
  readonly environment: NodeJS.ProcessEnv
}

function temporalEdge(requests: Requests, { connection, namespace, environment }: EdgeOptions): TemporalEdge {
  return {
    startRequest: (ask, tier) => requests.start(ask, tier),
    cancelRequest: (id) => requests.cancel(id),
    sendResult: (id, result) => requests.sendResult(id, result),
    temporalUiUrl: environment['RM_TEMPORAL_UI_URL'] ?? null,
    namespace,
    async isHealthy() {
      try {
        await connection.withDeadline(Date.now() + HEALTH_TIMEOUT_MS, () =>
          connection.workflowService.getSystemInfo({}),
        )
        return true
      } catch {
        return false // whatever the reason: not healthy is the answer
      }
    },
  }
}

function temporalLogger(log: Logger): NonNullable<Parameters<typeof Runtime.install>[0]['logger']> {
  const child = log.child({ from: 'temporal' }, { serializers: { error: pino.stdSerializers.err } })
  const levels = { TRACE: 'trace', DEBUG: 'debug', INFO: 'info', WARN: 'warn', ERROR: 'error' } as const
  return {
    log: (level, message, meta) => child[levels[level]](meta ?? {}, message),
    trace: (message, meta) => child.trace(meta ?? {}, message),
    debug: (message, meta) => child.debug(meta ?? {}, message),
    info: (message, meta) => child.info(meta ?? {}, message),
    warn: (message, meta) => child.warn(meta ?? {}, message),
    error: (message, meta) => child.error(meta ?? {}, message),
  }
}

function required(environment: NodeJS.ProcessEnv, name: string): string {
  const value = environment[name]
  if (value === undefined || value === '') throw new Error(`${name} is not set, and the service needs it`)
  return value
}

async function listen(server: Server, { port, host }: { port: number; host: string }): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })
}

function urlOf(server: Server): string {
  const { address, port, family } = server.address() as AddressInfo
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`
}

/** Running answers finish; what stays open (event streams) is cut after a moment. */
async function closeServer(server: Server | null): Promise<void> {
  if (server === null) return
  const closed = new Promise((resolve) => server.close(resolve))
  server.closeIdleConnections()
  const cut = setTimeout(() => server.closeAllConnections(), 1_000)
  await closed
  clearTimeout(cut)
}
