// The whole facade on a real Postgres with the real limiter core; in Temporal's place, the shortest thing that can
// stand for it: operations are stepped at once, and a request's life is a few calls of the ledger.

import type { AddressInfo } from 'node:net'
import { pino } from 'pino'
import { Announcements } from '../../activities/announcements.ts'
import { admit } from '../../activities/ledger/admit.ts'
import { beginAttempt } from '../../activities/ledger/begin-attempt.ts'
import { openDatabase, type Sql } from '../../activities/ledger/database.ts'
import { migrate } from '../../activities/ledger/migrate.ts'
import { recordAttempt } from '../../activities/ledger/record-attempt.ts'
import { recordEffects } from '../../activities/ledger/record-effects.ts'
import { settleExecution } from '../../activities/ledger/settle-execution.ts'
import { reserveOperation } from '../../activities/request-activities.ts'
import { createApp } from '../../api/app.ts'
import type { ApiContext } from '../../api/context.ts'
import { TokenCounter } from '../../api/tokens/counter.ts'
import { hashKey } from '../../api/keys.ts'
import { reservationKey } from '../../domain/admission.ts'
import type { ExecutionAsk } from '../../domain/ask.ts'
import type { Ending, Use } from '../../domain/report.ts'
import type { Effect } from '../../limiter/effect.ts'
import type { LimiterEvent } from '../../limiter/event.ts'
import { refusalOfRejection } from '../../limiter/refusal.ts'
import { createState } from '../../limiter/state.ts'
import { step } from '../../limiter/step.ts'
import type { LimiterOperation, WorkerResult } from '../../workflows/messages.ts'
import { createDatabase } from '../support/postgres.ts'

export const ADMIN_KEY = 'rm_test_admin'

/** What the worker does with a request; null: it answers 202 and posts its result later. */
export type Work = (requestId: string) => { readonly ending: Ending; readonly use: Use } | null

export type Stand = {
  readonly url: string
  readonly sql: Sql
  readonly context: ApiContext
  /** Replaced by tests. */
  work: Work
  /** Temporal is away. */
  isDown: boolean
  /** Operations are taken, but nobody decides: the limiter's worker is away. */
  isDeaf: boolean
  /** Lets time pass. */
  advance(ms: number): Promise<void>
  close(): Promise<void>
}

export async function openStand(): Promise<Stand> {
  const database = await createDatabase()
  await migrate(database.url)
  const sql = openDatabase(database.url, { max: 8 })
  const announcements = new Announcements(sql)
  await announcements.start()
  // However busy the machine is, texts are counted.
  const tokens = new TokenCounter({ waitMsMax: 20_000 })
  let offsetMs = 0
  const clock = () => Date.now() + offsetMs
  const limiter = new StandIn(sql, announcements, clock)
  const context: ApiContext = {
    sql,
    announcements,
    operations: limiter,
    temporal: limiter,
    tokens,
    limiterView: async () => limiter.state,
    adminKeyHash: hashKey(ADMIN_KEY),
    log: pino({ level: process.env['RM_TEST_LOG'] ?? 'silent' }),
    about: { version: '0.0.0', startedAtMs: Date.now(), sampleWorkerUrl: null, simulatorUrl: null },
    clock,
    decisionTimeoutMs: 1_000,
  }
  const served = await serve(context)
  return Object.defineProperties(
    {
      url: served.url,
      sql,
      context,
      work: limiter.work,
      isDown: false,
      isDeaf: false,
      async advance(ms: number) {
        offsetMs += ms
        await limiter.tick()
      },
      async close() {
        await served.close()
        await limiter.idle()
        await tokens.close()
        await announcements.stop()
        await sql.end({ timeout: 1 })
        await database.drop()
      },
    },
    {
      work: { set: (work: Work) => (limiter.work = work) },
      isDown: { get: () => limiter.isDown, set: (isDown: boolean) => (limiter.isDown = isDown) },
      isDeaf: { get: () => limiter.isDeaf, set: (isDeaf: boolean) => (limiter.isDeaf = isDeaf) },
    },
  )
}

export type Served = { readonly url: string; close(): Promise<void> }

export async function serve(context: ApiContext): Promise<Served> {
  const server = createApp(context).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
}

class StandIn {
  readonly state = createState()
  readonly temporalUiUrl = 'http://temporal.test'
  readonly namespace = 'default'
  work: Work = () => ({
    ending: { kind: 'completed', output: { said: 'hello' }, partial: false },
    use: { kind: 'reported', consumed: {}, costNanoUsd: null },
  })
  isDown = false
  isDeaf = false
  readonly #sql: Sql
  readonly #announcements: Announcements
  readonly #clock: () => number
  readonly #running = new Map<string, Promise<void>>()
  #last: Promise<void> = Promise.resolve()

  constructor(sql: Sql, announcements: Announcements, clock: () => number) {
    this.#sql = sql
    this.#announcements = announcements
    this.#clock = clock
  }

  async send(operation: LimiterOperation): Promise<void> {
    if (this.isDown) throw new Error('Temporal is away')
    if (!this.isDeaf) void this.#apply({ ...operation, atMs: this.#clock() })
  }

  async tick(): Promise<void> {
    await this.#apply({ kind: 'tick', atMs: this.#clock() })
  }

  /** Resolves when everything that was sent is delivered. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.#running.values())
    for (let last: Promise<void> | null = null; last !== this.#last;) {
      last = this.#last
      await last
    }
  }

  async startRequest(ask: ExecutionAsk): Promise<void> {
    if (this.isDown) throw new Error('Temporal is away')
    if (this.#running.has(ask.id)) return
    const admitted = this.#admit(ask)
    this.#running.set(ask.id, admitted)
    await admitted
  }

  async cancelRequest(requestId: string): Promise<boolean> {
    if (this.isDown) throw new Error('Temporal is away')
    if (!this.#running.has(requestId)) return false
    await this.#settle(requestId, { kind: 'cancelled' })
    return true
  }

  async sendResult(requestId: string, result: WorkerResult): Promise<boolean> {
    if (!this.#running.has(requestId)) return false
    await recordAttempt(this.#sql, requestId, 1, result.use, this.#clock())
    const { output, status } = result
    const ending: Ending =
      status === 'failure'
        ? { kind: 'failed', error: { code: 'worker-failed', detail: result.error ?? '' } }
        : { kind: 'completed', output, partial: status === 'partial' }
    await this.#settle(requestId, ending)
    return true
  }

  async isHealthy(): Promise<boolean> {
    return !this.isDown
  }

  async #admit(ask: ExecutionAsk): Promise<void> {
    const admission = await admit(this.#sql, ask, this.#clock())
    await this.#announcements.announce([ask.id])
    if (admission.kind !== 'admitted') this.#running.delete(ask.id)
    else if (admission.plan.deferUntilMs === null) await this.send(reserveOperation(admission.plan))
  }

  async #settle(requestId: string, ending: Ending): Promise<void> {
    this.#running.delete(requestId)
    const settlement = await settleExecution(this.#sql, requestId, ending, this.#clock())
    const id = reservationKey(requestId, settlement.generation)
    if (!settlement.wasGranted) await this.send({ kind: 'cancel', id })
    await this.send({ kind: 'settle', id, actual: settlement.actual })
    await this.#announcements.announce([requestId])
  }

  /** One event at a time: stepped, recorded, announced, told to the executions. */
  async #apply(event: LimiterEvent): Promise<void> {
    this.#last = this.#last.then(() => this.#deliver(step(this.state, event)))
    await this.#last
  }

  async #deliver(effects: readonly Effect[]): Promise<void> {
    const delivered = await recordEffects(this.#sql, effects)
    await this.#announcements.announce(delivered.map(({ announce }) => announce))
    for (const { effect, requestId, kind } of delivered) {
      if (kind === 'execution' && effect.kind === 'granted') await this.#execute(requestId)
      if (kind === 'execution' && effect.kind === 'rejected') {
        const { code, detail } = refusalOfRejection(effect.rejection)
        await this.#settle(requestId, { kind: 'failed', error: { code, detail } })
      }
      if (kind === 'execution' && effect.kind === 'timed-out') {
        await this.#settle(requestId, {
          kind: 'expired',
          error: { code: 'max-wait', detail: 'waited too long' },
        })
      }
    }
  }

  async #execute(requestId: string): Promise<void> {
    await beginAttempt(this.#sql, requestId, this.#clock())
    await this.#announcements.announce([requestId])
    const done = this.work(requestId)
    if (done === null) return
    await recordAttempt(this.#sql, requestId, 1, done.use, this.#clock())
    await this.#settle(requestId, done.ending)
  }
}
