// The embedded Postgres as a running server: on 127.0.0.1 with a password, no socket.
// R1 A server that a killed start left behind is stopped before a new one starts; the files it was killed over recover
//    by themselves.
// R2 A port that is taken is passed over.

import type { ChildProcess } from 'node:child_process'
import { existsSync, readFileSync, readdirSync, readlinkSync, realpathSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

import postgres from 'postgres'

import { codeOf } from '../fault.ts'
import { lengthOf, linesSince, rotate } from './log-file.ts'
import type { Ports } from './ports.ts'
import { type Cluster, POSTGRES_USER, damaged, openCluster } from './postgres-cluster.ts'
import { type ProcessIdentity, end, endRecorded, identify, recordProcess } from './processes.ts'
import { spawnTethered } from './tethered.ts'

const HOST = '127.0.0.1'
const DATABASE = 'rm'
const READY_MS = 120_000
const POLL_MS = 25
const STOP_MS = 3_000
const PORT_ATTEMPTS_MAX = 5

/** What a client meets while a server is still coming up: nobody listens, or it says that it is not ready. */
const COMING_UP: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'CONNECTION_CLOSED',
  'CONNECT_TIMEOUT',
  '57P03',
])

const SETTINGS = [
  `listen_addresses=${HOST}`,
  'unix_socket_directories=',
  'max_connections=200',
  'shared_buffers=64MB',
  'max_wal_size=512MB',
  'jit=off',
  'log_timezone=UTC',
  'timezone=UTC',
]

export interface LocalPostgres {
  readonly url: string
  readonly port: number
  readonly child: ChildProcess
  readonly stop: () => Promise<void>
}

export interface PostgresOptions {
  /** Holds the cluster and its password. */
  readonly folder: string
  /** Where it is written down that it runs. */
  readonly record: string
  readonly logFile: string
  readonly ports: Ports
  readonly port: number
  /** More settings; a throw-away cluster may give up safety for speed. */
  readonly settings?: readonly string[]
  readonly say: (line: string) => void
}

/** Starts the cluster in `folder`, made at the first start; resolves when it answers. */
export async function startPostgres(options: PostgresOptions): Promise<LocalPostgres> {
  rotate(options.logFile)
  await endRecorded(options.record, { signal: 'SIGINT', graceMs: STOP_MS })
  const cluster = await openCluster(options.folder, options)
  await clearCluster(cluster.path)
  for (let attempt = 1; ; attempt += 1) {
    const port = await options.ports.next(HOST, options.port)
    const server = await launch(cluster, { ...options, port })
    if (server !== null) return server
    if (attempt === PORT_ATTEMPTS_MAX) throw new Error(`Postgres found every port taken, ${port} the last`)
  }
}

/** Null when the port turned out to be taken. */
async function launch(cluster: Cluster, options: PostgresOptions): Promise<LocalPostgres | null> {
  const logFrom = lengthOf(options.logFile)
  const settings = [...SETTINGS, `port=${options.port}`, ...(options.settings ?? [])]
  const child = spawnTethered({
    command: join(cluster.programs, 'bin', 'postgres'),
    args: ['-D', cluster.pathInside, ...settings.flatMap((setting) => ['-c', setting])],
    cwd: cluster.path,
    stopSignal: 'INT',
    logFile: options.logFile,
    env: { LC_ALL: 'C' },
    ...(cluster.uid === undefined ? {} : { uid: cluster.uid }),
  })
  const pid = child.pid
  if (pid !== undefined) recordProcess(options.record, pid)
  const server = `postgres://${POSTGRES_USER}:${cluster.password}@${HOST}:${options.port}`
  const ended = new AbortController()
  child.once('exit', () => ended.abort())
  child.once('error', () => ended.abort())
  const isServing = await isReady(server, ended.signal).catch((error: unknown) => {
    child.kill('SIGINT')
    throw damaged(options.folder, error instanceof Error ? error.message : String(error))
  })
  if (!isServing) {
    const lines = linesSince(options.logFile, logFrom)
    if (lines.some((line) => line.includes('could not bind'))) return null
    const reason = lines.findLast((line) => /FATAL|PANIC|error/.test(line)) ?? 'it ended without a word'
    throw damaged(options.folder, reason.replace(/^.*?(FATAL|PANIC): +/, ''))
  }
  return {
    url: `${server}/${DATABASE}`,
    port: options.port,
    child,
    stop: async () => {
      const identity = pid === undefined ? null : identify(pid)
      if (identity !== null) await end(identity, { signal: 'SIGINT', graceMs: STOP_MS })
      rmSync(options.record, { force: true })
    },
  }
}

/** True once the database is there; false when the server has ended before. Rejects when it will never answer. */
async function isReady(server: string, ended: AbortSignal): Promise<boolean> {
  const deadline = Date.now() + READY_MS
  while (!ended.aborted) {
    const sql = postgres(`${server}/postgres`, { max: 1, connect_timeout: 2, onnotice: () => undefined })
    try {
      const [row] = await sql`select 1 from pg_database where datname = ${DATABASE}`
      if (row === undefined) await sql.unsafe(`create database ${DATABASE}`)
      return true
    } catch (error) {
      if (!COMING_UP.has(codeOf(error) ?? '') || Date.now() > deadline) throw error
    } finally {
      await sql.end({ timeout: 1 })
    }
    await delay(POLL_MS)
  }
  return false
}

// Postgres takes the pid in postmaster.pid for a running server whenever that pid exists, be it a stranger's or that of
// an ended process nobody has collected. So on Linux it is made sure here that nobody works in the cluster any more.
async function clearCluster(cluster: string): Promise<void> {
  const file = join(cluster, 'postmaster.pid')
  if (!existsSync(file) || process.platform !== 'linux') return
  const server = Number(readFileSync(file, 'utf8').split('\n', 1)[0])
  const left = serversIn(realpathSync(cluster))
  await Promise.all(
    left.filter(({ pid }) => pid === server).map((one) => end(one, { signal: 'SIGINT', graceMs: STOP_MS })),
  )
  await Promise.all(left.map((one) => end(one, { signal: 'SIGTERM', graceMs: STOP_MS })))
  rmSync(file, { force: true })
}

function serversIn(cluster: string): readonly ProcessIdentity[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && linkOf(`/proc/${name}/cwd`) === cluster)
    .filter((name) => basename(linkOf(`/proc/${name}/exe`) ?? '').startsWith('postgres'))
    .map((name) => identify(Number(name)))
    .filter((identity) => identity !== null)
}

function linkOf(path: string): string | null {
  try {
    return readlinkSync(path)
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'EACCES' || codeOf(error) === 'ESRCH') return null
    throw error
  }
}
