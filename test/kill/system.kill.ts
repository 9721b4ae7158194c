// The whole system under load while each of its parts is killed with -9 in turn: the API, two workers (requests and the
// limiter), the Temporal server and Postgres. Callers repeat what was not answered under the same ids. In the end every
// request has ended once and is charged once, nothing is held, and the books agree. `npm run test:kill`.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, expect, test } from 'vitest'
import { checkLedger } from '../../activities/ledger/check.ts'
import { openDatabase } from '../../activities/ledger/database.ts'
import { migrate } from '../../activities/ledger/migrate.ts'
import { eventually } from '../support/await-state.ts'
import { postgresPart, programPart, temporalPart, type Part } from './parts.ts'

const EXECUTIONS = 1_400
const RESERVATIONS = 600
const CALLERS = 24
/** One part is killed each time that this many more have ended. */
const ENDED_BETWEEN_KILLS = 50
const TIMEOUT_MS = 1_200_000
const RETRY_MS = 150
const KEY = 'the-key-of-the-test'
const NANO = 1_000_000_000
const [TOKENS, SLOTS] = ['gpt/tokens', 'gpt/slots']

const folder = mkdtempSync(join(tmpdir(), 'resource-manager-system-kill-'))
const parts = new Map<string, Part>()
afterAll(async () => {
  for (const part of [...parts.values()].toReversed()) await part.stop()
  rmSync(folder, { recursive: true, force: true })
})

async function startParts(): Promise<void> {
  const [postgres, temporal] = await Promise.all([postgresPart(folder), temporalPart(folder)])
  await migrate(postgres.url)
  const base = { folder, env: { RM_SIMULATOR_URL: 'http://127.0.0.1:1', PORT: '0' } }
  const echo = await programPart({ ...base, name: 'echo', module: 'examples/workers/main.ts' })
  parts.set('echo', echo).set('postgres', postgres).set('temporal', temporal)
  const env = {
    DATABASE_URL: postgres.url,
    TEMPORAL_ADDRESS: temporal.url,
    TEMPORAL_NAMESPACE: 'default',
    RM_ADMIN_KEY: KEY,
    RM_CONFIG: 'config/empty.yaml',
    RM_SAMPLE_WORKER_URL: echo.url,
    RM_LOG_LEVEL: 'warn',
    PORT: '0',
  }
  const serve = { folder, module: 'ops/serve.ts', env }
  for (const name of ['worker-a', 'worker-b']) {
    parts.set(name, await programPart({ ...serve, name, args: ['worker'] }))
  }
  parts.set('api', await programPart({ ...serve, name: 'api', args: ['api'] }))
}

type Answer = { readonly status: number; readonly body: Record<string, unknown> }

async function call(method: string, path: string, body?: unknown): Promise<Answer> {
  const response = await fetch(new URL(path, parts.get('api')?.url), {
    method,
    headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(20_000),
  })
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}

/** Repeats a call under its id until it is answered; 5xx and lost connections are no answers. */
async function persist(method: string, path: string, body?: unknown): Promise<Answer> {
  for (;;) {
    const answer = await call(method, path, body).catch(() => null)
    if (answer !== null && answer.status < 500) return answer
    await delay(RETRY_MS)
  }
}

/** Looks until it is in one of the states. */
async function until(path: string, states: readonly string[]): Promise<string> {
  for (;;) {
    const { status, body } = await persist('GET', path)
    if (status !== 200) throw new Error(`${path} answers ${status} ${JSON.stringify(body)}`)
    const state = String(body['state'])
    if (states.includes(state)) return state
    await delay(RETRY_MS)
  }
}

const clientOf = (nth: number): string => `client-${nth % 5}`
const unitsOf = (nth: number): number => 1 + (nth % 7)

async function execution(nth: number): Promise<string> {
  const requestId = `e-${nth}`
  const input = { sleepMs: (nth * 37) % 400, consume: { [TOKENS]: unitsOf(nth) }, output: nth }
  const work = { worker: 'echo', action: 'work', input, resources: { [TOKENS]: 10, [SLOTS]: 1 } }
  const { status, body } = await persist('POST', '/api/execute', {
    requestId,
    clientId: clientOf(nth),
    ...work,
  })
  if (status >= 300) throw new Error(`${requestId} answers ${status} ${JSON.stringify(body)}`)
  return await until(`/api/execution/${requestId}`, [
    'completed',
    'failed',
    'cancelled',
    'expired',
    'refused',
  ])
}

async function reservation(nth: number): Promise<string> {
  const reservationId = `x-${nth}`
  const ask = {
    clientId: clientOf(nth),
    resources: { [TOKENS]: 10, [SLOTS]: 1 },
    maxWaitMs: 600_000,
    ttlMs: 900_000,
  }
  const { status, body } = await persist('POST', '/internal/reserve', { reservationId, ...ask })
  if (status >= 300) throw new Error(`${reservationId} answers ${status} ${JSON.stringify(body)}`)
  const state = await until(`/internal/reserve/${reservationId}`, [
    'granted',
    'settled',
    'cancelled',
    'expired',
    'rejected',
  ])
  if (state !== 'granted') return state
  const actual = { [TOKENS]: unitsOf(nth) }
  const released = await persist('POST', '/internal/release', { reservationId, actual })
  if (released.status !== 200)
    throw new Error(`${reservationId} is not released: ${JSON.stringify(released)}`)
  return 'completed'
}

async function furnish(): Promise<void> {
  const answers = [
    await call('PUT', `/admin/resources/${TOKENS}`, {
      unit: 'tokens',
      limits: [{ type: 'sliding-window', units: 1_000_000, windowMs: 60_000 }],
    }),
    await call('PUT', `/admin/resources/${SLOTS}`, {
      unit: 'slots',
      limits: [{ type: 'concurrency', slots: 16 }],
    }),
    await call('PUT', `/admin/prices/${TOKENS}`, { perUnitUsd: '0.01' }),
    await call('PUT', `/admin/prices/${SLOTS}`, { perUnitUsd: '0' }),
  ]
  const budgets = [
    { unit: 'USD', amount: '1000', period: 'total' },
    { unit: TOKENS, amount: 1_000_000, period: 'rolling', windowMs: 3_600_000 },
  ]
  for (let nth = 0; nth < 5; nth += 1) {
    answers.push(await call('PUT', `/api/clients/${clientOf(nth)}`, { tier: 'premium', budgets }))
  }
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 201))
}

test(
  'kill -9 of every part in turn under load: each request ends once, is charged once, and nothing is held',
  { timeout: TIMEOUT_MS },
  async () => {
    await startParts()
    await furnish()
    const all = EXECUTIONS + RESERVATIONS
    const lives = Array.from({ length: all }, (_, nth) => nth)
    const ends: Record<string, number> = {}
    let ended = 0
    const callers = Promise.all(
      Array.from({ length: CALLERS }, async () => {
        for (let nth = lives.pop(); nth !== undefined; nth = lives.pop()) {
          const state = nth % 10 < 7 ? await execution(nth) : await reservation(nth)
          ends[state] = (ends[state] ?? 0) + 1
          ended += 1
        }
      }),
    )
    // Told at the end by the await below; until then the killing goes on only while they live.
    let isOver = false
    void callers.then(
      () => (isOver = true),
      () => (isOver = true),
    )
    const kills: Record<string, number> = {}
    const victims = ['api', 'worker-a', 'temporal', 'worker-b', 'postgres']
    for (let turn = 0; !isOver; turn += 1) {
      const goal = ended + ENDED_BETWEEN_KILLS
      await eventually(() => isOver || ended >= goal, { timeoutMs: 180_000 })
      const name = victims[turn % victims.length] ?? 'api'
      if (isOver) break
      await parts.get(name)?.kill()
      kills[name] = (kills[name] ?? 0) + 1
    }
    await callers
    expect(ends).toEqual({ completed: all })
    expect(Object.keys(kills).toSorted()).toEqual(victims.toSorted())

    const sql = openDatabase(parts.get('postgres')?.url ?? '', { max: 2 })
    expect(await checkLedger(sql)).toEqual([])
    const [sums] = await sql`
      select (select count(*) from request where state = 'completed') as completed,
             (select count(*) from request) as requests,
             (select count(*) from (select request_id from event
                                    where state in ('completed', 'failed', 'cancelled', 'expired', 'refused')
                                    group by request_id having count(*) = 1) as once) as ended_once,
             (select count(*) from (select request_id from cost_line where cost > 0
                                    group by request_id having count(*) = 1) as once) as charged_once,
             (select count(*) from hold where is_open) as open_holds,
             (select sum(held)::bigint from budget_period) as held,
             (select sum(used)::bigint from budget_period p join budget b on b.id = p.budget_id
              where b.unit = 'USD') as used,
             (select sum(used)::bigint from budget_slice) as in_slices`
    const units = Array.from({ length: all }, (_, nth) => unitsOf(nth)).reduce((sum, one) => sum + one, 0)
    expect(sums).toEqual({
      ...{ completed: all, requests: all, endedOnce: all, chargedOnce: all, openHolds: 0, held: 0 },
      ...{ used: (units * NANO) / 100, inSlices: units },
    })
    await sql.end()
    await eventually(
      async () => {
        const { body } = await call('GET', `/api/resources/availability?id=${SLOTS}`)
        const [slots] = body['resources'] as readonly { available: number; inFlight: number }[]
        return slots?.available === 16 && slots.inFlight === 0
      },
      { timeoutMs: 60_000 },
    )
    process.stderr.write(`${all} requests, killed: ${JSON.stringify(kills)}\n`)
  },
)
