// `npm start` as a user meets it: on a folder of its own, ended in every way there is, started again.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

import { afterAll, afterEach, describe, expect, test } from 'vitest'

import { PROJECT } from '../../ops/environment.ts'
import { type ProcessIdentity, identify, isRunning, readIdentity } from '../../ops/local/processes.ts'
import { eventually } from '../support/await-state.ts'

const START_MS_MAX = 60_000
const RESTART_MS_MAX = 10_000
const STOP_MS_MAX = 10_000

interface Start {
  readonly npm: ChildProcess
  readonly lines: readonly string[]
  /** Resolves with the address in the line `ready ADDRESS`. */
  readonly ready: Promise<string>
  readonly ended: Promise<number | null>
}

const place = mkdtempSync(join(tmpdir(), 'rm-start-'))
const folder = join(place, 'data')
const running: Start[] = []

function npmStart(): Start {
  const npm = spawn('npm', ['start', '--silent'], {
    cwd: PROJECT,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      RM_DATA_DIR: folder,
      RM_SAMPLE_REQUEST: '0',
      RM_CONFIG: 'config/empty.yaml',
      ...{ PORT: '0', RM_POSTGRES_PORT: '0', RM_TEMPORAL_PORT: '0', RM_TEMPORAL_UI_PORT: '0' },
    },
  })
  const lines: string[] = []
  const ready = new Promise<string>((resolve) => {
    for (const stream of [npm.stdout, npm.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        lines.push(line)
        if (line.startsWith('ready ')) resolve(line.slice('ready '.length))
      })
    }
  })
  const ended = once(npm, 'exit').then(([code]) => code as number | null)
  const start = {
    npm,
    lines,
    ready: Promise.race([ready, ended.then(() => Promise.reject(new Error(lines.join('\n'))))]),
    ended,
  }
  start.ready.catch(() => undefined) // a start that is refused is awaited by its end
  running.push(start)
  return start
}

/** Everything that is written down as running in the folder. */
function everything(): readonly ProcessIdentity[] {
  const records = readdirSync(join(folder, 'run')).map((name) => join(folder, 'run', name))
  return [...records, join(folder, 'lock')]
    .map((file) => readIdentity(file))
    .filter((identity) => identity !== null)
}

async function expectAllEnded(parts: readonly ProcessIdentity[]): Promise<void> {
  expect(parts.length).toBe(6) // Postgres, Temporal, simulator, sample workers, service, and the supervisor itself
  await eventually(() => parts.every((part) => !isRunning(part)), { timeoutMs: STOP_MS_MAX })
}

afterEach(() => {
  for (const { npm } of running.splice(0))
    if (npm.exitCode === null && npm.pid !== undefined) signalGroup(npm, 'SIGKILL')
})
afterAll(() => rmSync(place, { recursive: true, force: true }))

function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined || identify(pid) === null) return
  process.kill(-pid, signal)
}

describe('npm start', () => {
  test(
    'brings everything up in a closed folder, and SIGTERM ends it all',
    { timeout: START_MS_MAX },
    async () => {
      const start = npmStart()
      const url = await start.ready
      expect((await fetch(`${url}/readyz`)).status).toBe(200)
      expect(start.lines.at(-1)).toBe(`ready ${url}`)
      expect(statSync(folder).mode & 0o777).toBe(0o700)
      const key = readFileSync(join(folder, 'admin-key'), 'utf8').trim()
      expect(start.lines.join('\n')).not.toContain(key)
      const parts = everything()
      start.npm.kill('SIGTERM')
      await expectAllEnded(parts)
      expect(await start.ended).toBe(0)
    },
  )

  const endings: Record<string, (start: Start) => void> = {
    'kill -9 of the whole group': ({ npm }) => signalGroup(npm, 'SIGKILL'),
    'kill -9 of npm alone': ({ npm }) => void npm.kill('SIGKILL'),
    'Ctrl+C': ({ npm }) => signalGroup(npm, 'SIGINT'),
  }
  test.each(Object.entries(endings))(
    'is ready again in time, and %s leaves nothing',
    { timeout: START_MS_MAX },
    async (_, endIt) => {
      const beganMs = performance.now()
      const start = npmStart()
      await start.ready
      expect(performance.now() - beganMs).toBeLessThan(RESTART_MS_MAX)
      const parts = everything()
      endIt(start)
      await expectAllEnded(parts)
    },
  )

  test(
    'at once after a kill -9, while the old servers are still ending',
    { timeout: START_MS_MAX },
    async () => {
      const killed = npmStart()
      await killed.ready
      signalGroup(killed.npm, 'SIGKILL')
      const beganMs = performance.now()
      const start = npmStart()
      const url = await start.ready
      expect(performance.now() - beganMs).toBeLessThan(RESTART_MS_MAX)
      expect((await fetch(`${url}/readyz`)).status).toBe(200)

      const second = npmStart()
      expect(await second.ended).toBe(1)
      expect(second.lines.join('\n')).toMatch(/in use by another start \(process \d+\)/)
      const parts = everything()
      start.npm.kill('SIGTERM')
      await expectAllEnded(parts)
    },
  )
})
