// A year of usage of one client at a million requests a month, and how long its current usage and a day's report take.
//
// Filled is what the two read, by the rules of the roll-up: sums by hour, scope and day for every month, the lines of the
// last month (an export reads them), and an inbox as full as it gets between two roll-ups. Requests themselves are not
// filled but for those that are in flight: neither reads any other. The sums of the year must be those of the requests.

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import Table from 'cli-table3'
import { openDatabase, type Sql } from '../activities/ledger/database.ts'
import { migrate } from '../activities/ledger/migrate.ts'
import { putClient } from '../activities/ledger/put-client.ts'
import { putTier } from '../activities/ledger/put-tier.ts'
import { currentUsage } from '../activities/ledger/read-usage.ts'
import { USAGE_GROUPS, reportUsage } from '../activities/ledger/usage-report.ts'
import { TIER_DEFAULTS } from '../domain/tier.ts'
import { Ports } from '../ops/local/ports.ts'
import { startPostgres } from '../ops/local/postgres.ts'
import { measure, type Measured } from './load.ts'

const CLIENT = 'bench'
const TEMPLATES = 10
const REQUESTS_PER_SESSION = 50
const INBOX_LINES = 3_000
const IN_FLIGHT = 100
const COUNT = 200
const PAGE = 200
const DAY_MS = 86_400_000
const MS_MAX = 50

type Size = { readonly months: number; readonly requests: number }

export async function usage(): Promise<void> {
  const { values } = parseArgs({
    allowPositionals: true,
    options: {
      months: { type: 'string', default: '12' },
      requests: { type: 'string', default: '1000000' },
    },
  })
  const size = { months: Number(values.months), requests: Number(values.requests) }
  const folder = await mkdtemp(join(tmpdir(), 'resource-manager-bench-'))
  const server = await startPostgres({
    folder,
    record: join(folder, 'postgres.json'),
    logFile: join(folder, 'postgres.log'),
    ports: new Ports(),
    port: 0,
    say: progress,
  })
  try {
    await migrate(server.url)
    const nowMs = Date.now()
    await fill(server.url, size, nowMs)
    const sql = openDatabase(server.url, { max: 4 })
    await prove(sql, size, nowMs)
    report(await measureAll(sql, size, nowMs), size)
    await sql.end()
  } finally {
    await server.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

/** The last `months` months up to now, `requests` in each, evenly: each has three lines and the row of its admission. */
async function fill(url: string, { months, requests }: Size, nowMs: number): Promise<void> {
  const sql = openDatabase(url, { max: 1 })
  await sql`set statement_timeout = 0`
  await sql.unsafe(`set work_mem = '256MB'`)
  await putTier(sql, { ...TIER_DEFAULTS, id: 'bench', points: 20, weight: 2 }, CLIENT)
  const budget = { scope: CLIENT, unit: 'USD', timezone: 'UTC', enforcement: 'hard' } as const
  const uncapped = { maxConcurrent: null, dailyRequests: null, priorityMax: 'urgent' } as const
  await putClient(
    sql,
    { ...uncapped, id: CLIENT, tier: 'bench' },
    [
      { ...budget, amount: 1_000_000_000, period: 'day' },
      { ...budget, amount: 1_000_000_000, period: 'month' },
    ],
    CLIENT,
  )
  const now = new Date(nowMs).toISOString()
  for (let month = months; month > 0; month -= 1) {
    const beganMs = performance.now()
    await sql`
      select make_month(parent, (date_trunc('month', ${now}::timestamptz at time zone 'UTC')
                                 - make_interval(months => ${month})) at time zone 'UTC')
      from unnest(array['usage_line', 'usage_hour', 'usage_scope_hour']) as parent`
    await sql`
      create temporary table filled as
      select n as id, ${now}::timestamptz - make_interval(months => ${month})
             + (n - 1) * (interval '1 month' / ${requests}::float8) as at,
             ${CLIENT}::text as client_id, ${CLIENT} || '/s' || ${month} || '-' || n / ${REQUESTS_PER_SESSION} as scope_path,
             't' || n % ${TEMPLATES} as template, 'w' || n % ${TEMPLATES} as worker, line.*
      from generate_series(1, ${requests}::integer) as n,
      lateral (values ('', 1, 0, 0), ('openai/gpt-4/input-tokens', 0, 700 + n % 600, 21000),
                      ('openai/gpt-4/output-tokens', 0, 200 + n % 100, 12000),
                      ('openai/gpt-4/requests', 0, 1, 0)) as line (resource, requests, units, cost)`
    await sql`
      insert into usage_hour (client_id, at, template, worker, resource, requests, units, cost)
      select client_id, date_trunc('hour', at, 'UTC') as hour, template, worker, resource,
             sum(requests), sum(units), sum(cost)
      from filled group by 1, 2, 3, 4, 5 order by 1, 2
      on conflict (client_id, at, template, worker, resource) do update
      set requests = usage_hour.requests + excluded.requests, units = usage_hour.units + excluded.units,
          cost = usage_hour.cost + excluded.cost`
    await sql`
      insert into usage_scope_hour (client_id, at, scope_path, resource, requests, units, cost)
      select client_id, date_trunc('hour', at, 'UTC') as hour, scope_path, resource,
             sum(requests), sum(units), sum(cost)
      from filled group by 1, 2, 3, 4 order by 1, 2`
    if (month === 1) await keepLines(sql)
    await sql`drop table filled`
    progress(
      `month ${months - month + 1} of ${months}: ${((performance.now() - beganMs) / 1_000).toFixed(0)} s`,
    )
  }
  await sql`
    insert into usage_day
    select client_id, date_trunc('day', at, 'UTC'), resource, sum(requests), sum(units), sum(cost)
    from usage_hour group by 1, 2, 3`
  await fillPresent(sql, now)
  await sql`vacuum (analyze)`
  await sql.end()
}

async function keepLines(sql: Sql): Promise<void> {
  await sql`
    insert into usage_line
      (id, at, client_id, scope_path, template, worker, request_id, attempt, kind, resource, requests, units, cost)
    select nextval('usage_inbox_id_seq'), at, client_id, scope_path, template, worker, 'r-' || id, 1 - requests,
           case requests when 1 then 'admission' else 'use' end, nullif(resource, ''), requests, units, cost
    from filled`
}

/** What is in flight, and what was booked since the last roll-up. */
async function fillPresent(sql: Sql, now: string): Promise<void> {
  await sql`
    insert into usage_inbox
      (at, client_id, scope_path, template, worker, request_id, attempt, kind, resource, requests, units, cost)
    select ${now}::timestamptz, ${CLIENT}, ${CLIENT}, 't1', 'w1', 'i-' || n, 1, 'use', 'openai/gpt-4/input-tokens', 0, 1, 1
    from generate_series(1, ${INBOX_LINES}::integer) as n`
  await sql`
    insert into request
      (id, kind, body_hash, client_id, tier, scope, scope_path, labels, state, generation, admission, urgency,
       asked_urgency, demand, estimated_cost, config_version, created_at, wait_until, longest_wait_ms, lease_ms,
       granted_at, expires_at)
    select 'g-' || n, 'reservation', '', ${CLIENT}, 'bench', '{}', ${CLIENT}, '{}', 'granted', 1, 1, 'normal', 'normal',
           '{}', 0, 1, ${now}::timestamptz, ${now}::timestamptz, 0, 60000, ${now}::timestamptz, ${now}::timestamptz
    from generate_series(1, ${IN_FLIGHT}::integer) as n`
}

const asked = { clientId: CLIENT, after: null, limit: PAGE } as const

async function prove(sql: Sql, { months, requests }: Size, nowMs: number): Promise<void> {
  const span = { fromMs: 0, toMs: nowMs + DAY_MS }
  for (const groupBy of ['day', 'scope'] as const) {
    const { total } = await reportUsage(sql, { ...asked, groupBy, ...span })
    assert.equal(total.requests, months * requests, 'the sums are not those of the requests')
  }
}

async function measureAll(sql: Sql, { months }: Size, nowMs: number): Promise<ReadonlyMap<string, Measured>> {
  const measured = new Map<string, Measured>()
  const time = async (name: string, once: (nth: number) => Promise<unknown>): Promise<void> => {
    const run = async (nth: number): Promise<boolean> => (await once(nth)) !== null
    await measure({ callers: 1, count: 20, once: run })
    measured.set(name, await measure({ callers: 1, count: COUNT, once: run }))
  }
  await time('current usage', () => currentUsage(sql, CLIENT, nowMs))
  const lastDay = Math.floor(nowMs / DAY_MS)
  for (const groupBy of USAGE_GROUPS) {
    await time(`a day by ${groupBy}`, async (nth) => {
      const fromMs = (lastDay - 1 - ((nth * 37) % (months * 28))) * DAY_MS
      const { items } = await reportUsage(sql, { ...asked, groupBy, fromMs, toMs: fromMs + DAY_MS })
      assert(items.length > 0, 'a day without usage')
    })
  }
  const month = { fromMs: nowMs - 30 * DAY_MS, toMs: nowMs }
  await time('30 days by day', () => reportUsage(sql, { ...asked, groupBy: 'day', ...month }))
  return measured
}

function report(measured: ReadonlyMap<string, Measured>, { months, requests }: Size): void {
  const table = new Table({ head: ['query', 'p50 ms', 'p95 ms', 'p99 ms'] })
  for (const [name, { p50Ms, p95Ms, p99Ms }] of measured) {
    table.push([name, ...[p50Ms, p95Ms, p99Ms].map((ms) => ms.toFixed(1))])
  }
  console.log(table.toString())
  console.log(
    `${months} months of ${requests} requests, to reach: current usage and a day ${MS_MAX} ms at p95`,
  )
}

function progress(text: string): void {
  console.error(`bench: ${text}`)
}
