// Which process is which. A pid alone names nobody: the system gives it again to a stranger. A pid together with the
// moment its process began names one process for ever.
// P1 Nothing is ever signalled by its pid alone.
// P2 A zombie (ended, but not yet collected by its parent) has ended.

import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'

import { codeOf } from '../fault.ts'

const POLL_MS = 50
const KILL_WAIT_MS = 2_000

export interface ProcessIdentity {
  readonly pid: number
  readonly began: string
}

/** The identity of a running process; null when there is none of that pid. */
export function identify(pid: number): ProcessIdentity | null {
  const began = existsSync('/proc/self/stat') ? beganByProc(pid) : beganByPs(pid)
  return began === null ? null : { pid, began }
}

export function isRunning(identity: ProcessIdentity): boolean {
  return identify(identity.pid)?.began === identity.began
}

/** Writes down who runs, so that the next start can end what a killed start left behind. */
export function recordProcess(file: string, pid: number): void {
  const identity = identify(pid)
  if (identity !== null) writeFileSync(file, JSON.stringify(identity), { mode: 0o600 })
}

export function readIdentity(file: string): ProcessIdentity | null {
  try {
    const value: unknown = JSON.parse(readFileSync(file, 'utf8'))
    return isIdentity(value) ? value : null
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || error instanceof SyntaxError) return null
    throw error
  }
}

/** Ends the process that `file` names, if it still runs, and removes the file; true when it was running. */
export async function endRecorded(
  file: string,
  { signal, graceMs }: { signal: NodeJS.Signals; graceMs: number },
): Promise<boolean> {
  const identity = readIdentity(file)
  const wasRunning = identity !== null && isRunning(identity)
  if (wasRunning) await end(identity, { signal, graceMs })
  rmSync(file, { force: true })
  return wasRunning
}

/** Signals a process and waits until it has ended; after `graceMs` it is killed. */
export async function end(
  identity: ProcessIdentity,
  { signal, graceMs }: { signal: NodeJS.Signals; graceMs: number },
): Promise<void> {
  send(identity, signal)
  if (await hasEnded(identity, graceMs)) return
  send(identity, 'SIGKILL')
  await hasEnded(identity, KILL_WAIT_MS)
}

function send(identity: ProcessIdentity, signal: NodeJS.Signals): void {
  if (!isRunning(identity)) return
  try {
    process.kill(identity.pid, signal)
  } catch (error) {
    if (codeOf(error) !== 'ESRCH') throw error
  }
}

async function hasEnded(identity: ProcessIdentity, withinMs: number): Promise<boolean> {
  const deadline = Date.now() + withinMs
  while (isRunning(identity)) {
    if (Date.now() >= deadline) return false
    await delay(POLL_MS)
  }
  return true
}

// Fields after the command's name, which stands in parentheses and may hold anything: state is the first of them, the
// start in clock ticks since boot the twentieth.
function beganByProc(pid: number): string | null {
  let stat: string
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ESRCH') return null
    throw error
  }
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  if ((fields[0] === 'Z' || fields[0] === 'X') && !hasThreads(pid)) return null
  return `${bootId()}/${fields[19]}`
}

// The first thread of a killed process can be a zombie while others still hold its ports.
function hasThreads(pid: number): boolean {
  try {
    return readdirSync(`/proc/${pid}/task`).length > 1
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ESRCH') return false
    throw error
  }
}

function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
}

function beganByPs(pid: number): string | null {
  const ps = spawnSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], { encoding: 'utf8' })
  const line = ps.stdout.trim()
  return line === '' || line.startsWith('Z') ? null : line.slice(line.indexOf(' ')).trim()
}

function isIdentity(value: unknown): value is ProcessIdentity {
  return (
    typeof value === 'object' &&
    value !== null &&
    'pid' in value &&
    'began' in value &&
    typeof value.pid === 'number' &&
    typeof value.began === 'string'
  )
}
