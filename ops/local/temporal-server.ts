// The embedded Temporal: the dev server, made fast and lasting.
// T1 Its one shard reads each queue 20 times a second by default, 45 ms of waiting for every task of a lone workflow:
//    the rates below take that away.
// T2 Write-ahead logging is as fast as memory and survives a kill -9.
// T3 A worker that ends a workflow task may take its activity along with the answer, instead of by way of the queue.

import type { ChildProcess } from 'node:child_process'
import { existsSync, mkdirSync, openSync, readSync, closeSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

import { Fault, codeOf } from '../fault.ts'
import { lengthOf, linesSince, rotate } from './log-file.ts'
import type { Ports } from './ports.ts'
import { end, endRecorded, identify, recordProcess } from './processes.ts'
import { temporalCli } from './temporal-cli.ts'
import { spawnTethered } from './tethered.ts'
import { SEARCH_ATTRIBUTES } from '../../workflows/messages.ts'

const HOST = '127.0.0.1'
const READY_MS = 60_000
const POLL_MS = 50
const STOP_MS = 3_000
const PORT_ATTEMPTS_MAX = 5
const SQLITE_MAGIC = 'SQLite format 3\0'

const DYNAMIC_CONFIG = {
  'history.transferProcessorMaxPollRPS': 2_000,
  'history.timerProcessorMaxPollRPS': 2_000,
  'history.visibilityProcessorMaxPollRPS': 200,
  'history.outboundProcessorMaxPollRPS': 200,
  'frontend.namespaceRPS': 50_000,
  'frontend.namespaceCount': 5_000,
  'frontend.rps': 50_000,
  'history.rps': 50_000,
  'matching.rps': 50_000,
  'system.enableActivityEagerExecution': true,
  'matching.numTaskqueueReadPartitions': 1,
  'matching.numTaskqueueWritePartitions': 1,
} as const

/** Arguments that make a dev server ours: rates and search attributes. */
export const DEV_SERVER_ARGS: readonly string[] = [
  ...Object.entries(DYNAMIC_CONFIG).flatMap(([key, value]) => ['--dynamic-config-value', `${key}=${value}`]),
  ...SEARCH_ATTRIBUTES.flatMap((name) => ['--search-attribute', `${name}=Keyword`]),
]

export interface LocalTemporal {
  readonly port: number
  readonly uiPort: number
  readonly address: string
  readonly uiUrl: string
  readonly child: ChildProcess
  readonly stop: () => Promise<void>
}

export interface TemporalOptions {
  /** Holds the server's database. */
  readonly folder: string
  readonly record: string
  readonly logFile: string
  readonly ports: Ports
  readonly port: number
  readonly uiPort: number
  readonly namespace: string
  readonly say: (line: string) => void
}

/** Gets and starts the dev server; resolves when it answers for the namespace. */
export async function startTemporal(options: TemporalOptions): Promise<LocalTemporal> {
  rotate(options.logFile)
  mkdirSync(options.folder, { recursive: true, mode: 0o700 })
  const database = join(options.folder, 'temporal.db')
  refuseDamaged(options.folder, database)
  await endRecorded(options.record, { signal: 'SIGTERM', graceMs: STOP_MS })
  const cli = await temporalCli(options.say)
  for (let attempt = 1; ; attempt += 1) {
    const port = await options.ports.next(HOST, options.port)
    const uiPort = await options.ports.next(HOST, options.uiPort)
    const server = await launch(cli, { ...options, port, uiPort, database })
    if (server !== null) return server
    if (attempt === PORT_ATTEMPTS_MAX) throw new Error(`Temporal found every port taken, ${port} the last`)
  }
}

/** Null when a port turned out to be taken. */
async function launch(
  cli: string,
  options: TemporalOptions & { database: string },
): Promise<LocalTemporal | null> {
  const logFrom = lengthOf(options.logFile)
  const child = spawnTethered({
    command: cli,
    args: [
      ...['server', 'start-dev', '--ip', HOST, '--log-level', 'warn', '--log-format', 'json'],
      ...['--port', String(options.port), '--ui-port', String(options.uiPort)],
      ...['--namespace', options.namespace, '--db-filename', options.database],
      ...['--sqlite-pragma', 'journal_mode=wal', '--sqlite-pragma', 'synchronous=1'],
      ...DEV_SERVER_ARGS,
    ],
    cwd: options.folder,
    stopSignal: 'TERM',
    logFile: options.logFile,
  })
  const pid = child.pid
  if (pid !== undefined) recordProcess(options.record, pid)
  const ended = new AbortController()
  child.once('exit', () => ended.abort())
  child.once('error', () => ended.abort())
  const uiUrl = `http://${HOST}:${options.uiPort}`
  if (!(await isReady(`${uiUrl}/api/v1/namespaces/${options.namespace}`, ended.signal))) {
    const lines = linesSince(options.logFile, logFrom)
    if (lines.some((line) => line.includes('address already in use'))) return null
    throw damaged(options.folder, lines.findLast((line) => /error/i.test(line)) ?? `see ${options.logFile}`)
  }
  return {
    port: options.port,
    uiPort: options.uiPort,
    address: `${HOST}:${options.port}`,
    uiUrl,
    child,
    stop: async () => {
      const identity = pid === undefined ? null : identify(pid)
      if (identity !== null) await end(identity, { signal: 'SIGTERM', graceMs: STOP_MS })
      rmSync(options.record, { force: true })
    },
  }
}

/** True once the namespace can be described; false when the server has ended, or does not answer for too long. */
async function isReady(url: string, ended: AbortSignal): Promise<boolean> {
  const deadline = Date.now() + READY_MS
  while (!ended.aborted && Date.now() < deadline) {
    const answer = await fetch(url, { signal: AbortSignal.timeout(2_000) }).catch(() => null)
    await answer?.body?.cancel()
    if (answer?.ok) return true
    await delay(POLL_MS)
  }
  return false
}

function refuseDamaged(folder: string, database: string): void {
  if (!existsSync(database)) return
  const head = Buffer.alloc(SQLITE_MAGIC.length)
  try {
    const file = openSync(database, 'r')
    const length = readSync(file, head)
    closeSync(file)
    if (length === 0) return
  } catch (error) {
    throw damaged(folder, `temporal.db cannot be read (${codeOf(error) ?? String(error)})`)
  }
  if (head.toString('latin1') !== SQLITE_MAGIC) throw damaged(folder, 'temporal.db is no database')
}

function damaged(folder: string, reason: string): Fault {
  return new Fault(
    `The embedded Temporal cannot use its files in ${folder}: ${reason}.`,
    `bring back a copy of the data folder, or move ${folder} away to start with an empty history (nothing is deleted for you).`,
  )
}
