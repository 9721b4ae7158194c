// One of our own programs, run beside the supervisor: forked, heard until it serves, started again when it crashes.
// H1 It says `{ kind: 'ready', url }` once it serves.
// H2 It is told to end by SIGTERM; it is killed when it has not ended in time, and when the supervisor is gone.
// H3 A program that crashes before it ever served is given up after a few attempts; one that has served is started
//    again for ever, ever more slowly.
// H4 What it prints goes to its log; errors go to the console as well.

import { type ChildProcess, fork } from 'node:child_process'
import { openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'

import { PROJECT } from '../environment.ts'
import { Fault } from '../fault.ts'
import type { Console } from './console.ts'
import { rotate } from './log-file.ts'
import { end, endRecorded, identify, recordProcess } from './processes.ts'

const READY_MS = 60_000
const BACKOFF_MS = [500, 1_000, 2_000, 5_000, 15_000, 30_000] as const
const BACKOFF_FORGOTTEN_MS = 60_000
const FIRST_ATTEMPTS_MAX = 3
const LEVEL_ERROR = 50
const LINES_KEPT_MAX = 20

export interface ChildOptions {
  readonly name: string
  /** Path of the program in the project. */
  readonly module: string
  readonly env: Readonly<Record<string, string>>
  readonly record: string
  readonly logFile: string
  readonly console: Console
}

export interface Child {
  /** Its address, once it serves for the first time. */
  readonly ready: Promise<string>
  /** Ends it, whatever it is doing; after `graceMs` it is killed. */
  readonly stop: (graceMs: number) => Promise<void>
}

/** Starts the program and keeps it running until it is stopped. */
export function startChild(options: ChildOptions): Child {
  rotate(options.logFile)
  const log = openSync(options.logFile, 'a', 0o600)
  let isStopping = false
  let current: Run | null = null

  const begin = async (): Promise<string> => {
    await endRecorded(options.record, { signal: 'SIGKILL', graceMs: 0 })
    for (let attempt = 1; ; attempt += 1) {
      current = run(options, log)
      const url = await current.ready
      if (url !== null) {
        void keep(current)
        return url
      }
      if (isStopping || attempt === FIRST_ATTEMPTS_MAX) throw await unstarted(current, options)
      await delay(BACKOFF_MS[0])
    }
  }
  const keep = async (first: Run): Promise<void> => {
    let last = first
    for (let failures = 0; ; failures += 1) {
      const how = await last.ended
      if (isStopping) return
      if (Date.now() - last.beganAt > BACKOFF_FORGOTTEN_MS) failures = 0
      const pauseMs = BACKOFF_MS[Math.min(failures, BACKOFF_MS.length - 1)] ?? 0
      options.console.warn(`${options.name} ended (${how}); it is started again in ${pauseMs / 1_000} s`)
      await delay(pauseMs)
      if (isStopping) return
      last = run(options, log)
      current = last
    }
  }

  return {
    ready: begin(),
    stop: async (graceMs) => {
      isStopping = true
      const identity = current?.pid === undefined ? null : identify(current.pid)
      if (identity !== null) await end(identity, { signal: 'SIGTERM', graceMs })
    },
  }
}

interface Run {
  readonly pid: number | undefined
  readonly beganAt: number
  /** How it ended: an exit code or a signal. */
  readonly ended: Promise<string>
  /** Its address, or null when it ended before it served. */
  readonly ready: Promise<string | null>
  readonly lastLines: readonly string[]
}

async function unstarted({ ended, lastLines }: Run, { name, logFile }: ChildOptions): Promise<Fault> {
  const reason = lastLines.findLast((line) => /error|fault/i.test(line)) ?? lastLines.at(-1)
  return new Fault(
    `${name} does not start (${await ended}): ${reason ?? 'it said nothing'}.`,
    `see ${logFile}.`,
  )
}

function run(options: ChildOptions, log: number): Run {
  const child = fork(join(PROJECT, options.module), [], {
    env: { ...process.env, ...options.env },
    execArgv: ['--import', join(PROJECT, 'ops/local/tether.ts')],
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    detached: true, // a Ctrl+C is the supervisor's to hear: it ends its programs in order
  })
  if (child.pid !== undefined) recordProcess(options.record, child.pid)
  const ended = new Promise<string>((resolve) => {
    child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`))
    child.once('error', (error) => resolve(error.message))
  })
  return {
    pid: child.pid,
    beganAt: Date.now(),
    ended,
    ready: Promise.race([readyUrl(child), ended.then(() => null)]),
    lastLines: follow(child, { log, ...options }),
  }
}

function readyUrl(child: ChildProcess): Promise<string | null> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), READY_MS)
    child.on('message', (message) => {
      if (!isReadyMessage(message)) return
      clearTimeout(timer)
      resolve(message.url)
    })
    child.once('exit', () => clearTimeout(timer))
  })
}

function isReadyMessage(message: unknown): message is { kind: 'ready'; url: string } {
  return (
    typeof message === 'object' &&
    message !== null &&
    'kind' in message &&
    message.kind === 'ready' &&
    'url' in message &&
    typeof message.url === 'string'
  )
}

/** Its latest lines of error, kept up to date while it runs. */
function follow(
  child: ChildProcess,
  { log, name, console }: { log: number; name: string; console: Console },
): readonly string[] {
  const kept: string[] = []
  const show = (line: string): void => {
    console.warn(`${name}: ${line}`)
    kept.push(line)
    if (kept.length > LINES_KEPT_MAX) kept.shift()
  }
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) continue
    createInterface({ input: stream }).on('line', (line) => {
      writeSync(log, `${line}\n`)
      const error = stream === child.stderr ? line : errorIn(line)
      if (error !== null) show(error)
    })
  }
  return kept
}

/** The message of a JSON log line of level error or above; null for any other line. */
function errorIn(line: string): string | null {
  if (!line.startsWith('{')) return null
  let entry: unknown
  try {
    entry = JSON.parse(line)
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
  if (typeof entry !== 'object' || entry === null || !('level' in entry) || Number(entry.level) < LEVEL_ERROR)
    return null
  const message = 'msg' in entry ? String(entry.msg) : ''
  const cause = 'err' in entry && typeof entry.err === 'object' && entry.err !== null ? entry.err : {}
  const reason = 'message' in cause ? String(cause.message) : ''
  return message.includes(reason) ? (message.split('\n', 1)[0] ?? '') : `${message}: ${reason}`
}
