// What this process is and how it is: for people, probes and dashboards.

import { z } from 'zod'
import { configVersion } from '../../activities/ledger/read-config.ts'
import { readAppliedVersion } from '../../activities/ledger/applied-version.ts'
import { nowMs, type ApiContext } from '../context.ts'
import { toIso } from '../convert/time.ts'
import { unavailable } from '../problem.ts'
import { route, type Route } from '../route.ts'
import { health, root, status } from '../schema/figures.ts'

const CHECK_TIMEOUT_MS = 1_000

const verboseQuery = z.strictObject({ verbose: z.string().optional() })

const getRoot = route({
  method: 'get',
  path: '/',
  scopes: null,
  summary: 'What this is, and where to look',
  answers: { 200: root },
  async handle({ context }) {
    const { version, simulatorUrl, sampleWorkerUrl } = context.about
    const { temporalUiUrl } = context.temporal
    const links = {
      openapi: '/openapi.json',
      status: '/status',
      health: '/health',
      ...(temporalUiUrl !== null && { temporal: temporalUiUrl }),
      ...(sampleWorkerUrl !== null && { sampleWorker: sampleWorkerUrl }),
      ...(simulatorUrl !== null && { simulator: simulatorUrl }),
    }
    return { status: 200, body: { name: 'Resource Manager', version, links } }
  },
})

const probe = (path: string, summary: string) =>
  route({
    method: 'get',
    path,
    scopes: null,
    summary,
    query: verboseQuery,
    answers: { 200: health },
    handle: async () => ({ status: 200, body: { status: 'ok' as const } }),
  })

const getReadyz = route({
  method: 'get',
  path: '/readyz',
  scopes: null,
  summary: 'Whether new work would be taken now: the database and Temporal answer',
  query: verboseQuery,
  answers: { 200: health, 503: health },
  async handle({ context, query }) {
    const checks = await checkAll(context)
    const isReady = Object.values(checks).every(({ ok }) => ok)
    const isVerbose = query.verbose !== undefined
    if (!isReady && !isVerbose) throw unavailable(describe(checks))
    return {
      status: isReady ? 200 : 503,
      body: { status: isReady ? ('ok' as const) : ('unavailable' as const), ...(isVerbose && { checks }) },
      ...(!isReady && { headers: { 'retry-after': '1' } }),
    }
  },
})

const getStatus = route({
  method: 'get',
  path: '/status',
  scopes: ['read'],
  summary: 'Versions, connections, depth of the queue, and where the sample parts are',
  answers: { 200: status },
  async handle({ context }) {
    const { about, sql, temporal } = context
    const [checks, state, version, applied] = await Promise.all([
      checkAll(context),
      context.limiterView(),
      configVersion(sql),
      readAppliedVersion(sql),
    ])
    const isOk = Object.values(checks).every(({ ok }) => ok)
    const body = {
      status: isOk ? ('ok' as const) : ('degraded' as const),
      version: about.version,
      startedAt: toIso(about.startedAtMs),
      uptimeMs: Math.max(0, nowMs(context) - about.startedAtMs),
      configVersion: version,
      appliedConfigVersion: applied,
      paused: state.paused,
      waiting: state.deadlines.size,
      temporal: { ok: checks.temporal.ok, ui: temporal.temporalUiUrl },
      database: { ok: checks.database.ok },
      sampleWorker: about.sampleWorkerUrl,
      simulator: about.simulatorUrl,
    }
    return { status: 200, body }
  },
})

type Checked = { readonly ok: boolean; readonly detail?: string }

async function checkAll({ sql, temporal }: ApiContext): Promise<{ database: Checked; temporal: Checked }> {
  const [database, temporalChecked] = await Promise.all([
    checked(async () => (await sql`select 1`).length === 1),
    checked(() => temporal.isHealthy()),
  ])
  return { database, temporal: temporalChecked }
}

async function checked(run: () => Promise<boolean>): Promise<Checked> {
  const timeout = AbortSignal.timeout(CHECK_TIMEOUT_MS)
  const tooLate = new Promise<Checked>((resolve) => {
    timeout.addEventListener('abort', () =>
      resolve({ ok: false, detail: `no answer within ${CHECK_TIMEOUT_MS} ms` }),
    )
  })
  const answer = run().then(
    (ok): Checked => (ok ? { ok } : { ok, detail: 'it does not answer' }),
    (error: unknown): Checked => ({ ok: false, detail: codeOf(error) }),
  )
  return await Promise.race([answer, tooLate])
}

/** The code alone: an error's text may name hosts and users, and this route needs no key. */
function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : 'failed'
}

function describe(checks: Readonly<Record<string, Checked>>): string {
  const failed = Object.entries(checks).filter(([, { ok }]) => !ok)
  return failed.map(([name, { detail = 'failed' }]) => `${name}: ${detail}`).join('; ')
}

export const aboutRoutes: readonly Route[] = [
  getRoot,
  probe('/health', 'The process answers'),
  probe('/livez', 'The process is alive'),
  getReadyz,
  getStatus,
]
