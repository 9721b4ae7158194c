// A referee: somebody else's rate limiter, as a program of its own, and its own account of what it decided.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Pool } from 'undici'

import { Fault } from '../../ops/fault.ts'
import { Ports } from '../../ops/local/ports.ts'
import { end, identify } from '../../ops/local/processes.ts'
import { spawnTethered } from '../../ops/local/tethered.ts'
import type { Program } from './debian.ts'

export type Decision = { readonly atMs: number; readonly isAdmitted: boolean }

export type Referee = {
  /** One request; resolves when it has been answered, to whether it was admitted. */
  readonly call: () => Promise<boolean>
  /** Ends the program; what it wrote down of every request, oldest first. */
  readonly stop: () => Promise<readonly Decision[]>
}

export type Setup = {
  readonly program: Program
  /** The configuration's text, for a port and a folder of its own. */
  readonly configure: (place: { readonly port: number; readonly folder: string }) => string
  readonly args: (configFile: string, folder: string) => readonly string[]
  /** File in the folder that it writes its decisions to; null: it prints them. */
  readonly logFile: string | null
  readonly parse: (line: string) => Decision | null
}

const HOST = '127.0.0.1'
const CONNECTIONS = 64
const READY_POLL_MS = 50
const READY_POLLS_MAX = 100
const STOP_MS = 3_000
/** Answered 404 by neither, and limited by neither: to see whether it serves. */
export const HEALTH_PATH = '/health'

const ports = new Ports()

export async function startReferee({ program, configure, args, logFile, parse }: Setup): Promise<Referee> {
  const folder = mkdtempSync(join(tmpdir(), 'resource-manager-referee-'))
  const port = await ports.next(HOST, 0)
  const configFile = join(folder, 'referee.conf')
  const printed = join(folder, 'printed.log')
  writeFileSync(configFile, configure({ port, folder }))
  const child = spawnTethered({
    command: program.path,
    args: args(configFile, folder),
    cwd: folder,
    stopSignal: 'TERM',
    logFile: printed,
    env: program.env,
  })
  const pool = new Pool(`http://${HOST}:${port}`, { connections: CONNECTIONS })
  const stop = async (): Promise<readonly Decision[]> => {
    await pool.close()
    const identity = child.pid === undefined ? null : identify(child.pid)
    if (identity !== null) await end(identity, { signal: 'SIGTERM', graceMs: STOP_MS })
    try {
      const lines = readFileSync(logFile === null ? printed : join(folder, logFile), 'utf8').split('\n')
      return lines.map(parse).filter((decision) => decision !== null)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }
  const request = async (path: string): Promise<number> => {
    const { statusCode, body } = await pool.request({ path, method: 'GET' })
    await body.dump()
    return statusCode
  }
  for (let polls = 0; !(await request(HEALTH_PATH).then(isOk, () => false)); polls += 1) {
    if (polls === READY_POLLS_MAX || child.exitCode !== null) {
      const said = readFileSync(printed, 'utf8').trim()
      await stop()
      throw new Fault(`${program.path} does not serve: ${said}`, 'see what it says above.')
    }
    await delay(READY_POLL_MS)
  }
  return { call: async () => isOk(await request('/')), stop }
}

function isOk(status: number): boolean {
  return status === 200
}
