// A foreign server (Postgres, Temporal) on a tether: it ends when this process ends, however this process ends.
// The shell forks a watcher that reads from a pipe whose other end only this process holds, and then becomes the
// server itself, so that pid, signals and exit code are the server's. When this process is gone the pipe closes, and
// the watcher sends the server its stop signal.
// The server leads a session of its own: a Ctrl+C meant for `npm start` does not reach it, so that the order of the
// shutdown stays ours.

import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'

// The watcher is a grandchild, because Postgres takes an unknown child's end for a crash. A line on the pipe means
// that the server has ended by itself, and nobody is to be signalled.
const SCRIPT = '( ( read -r _ <&3 || kill -s "$0" $$ ) >/dev/null 2>&1 & ) ; exec "$@" 3<&-'

export interface TetheredCommand {
  readonly command: string
  readonly args: readonly string[]
  readonly cwd: string
  /** Sent to the server when this process is gone. */
  readonly stopSignal: 'INT' | 'TERM'
  /** Receives what the server prints. */
  readonly logFile: string
  readonly uid?: number
  readonly env?: Readonly<Record<string, string>>
}

export function spawnTethered(server: TetheredCommand): ChildProcess {
  const log = openSync(server.logFile, 'a', 0o600)
  const child = spawn('/bin/sh', ['-c', SCRIPT, server.stopSignal, server.command, ...server.args], {
    cwd: server.cwd,
    detached: true,
    stdio: ['ignore', log, log, 'pipe'],
    env: { ...process.env, ...server.env },
    ...(server.uid === undefined ? {} : { uid: server.uid, gid: server.uid }),
  })
  closeSync(log)
  const tether = child.stdio[3]
  if (tether === null || tether === undefined || !('end' in tether)) throw new Error('no pipe for the tether')
  tether.on('error', () => undefined) // the watcher may be gone before the last line reaches it
  child.once('exit', () => tether.end('ended\n'))
  return child
}
