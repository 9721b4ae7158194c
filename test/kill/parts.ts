// The parts of the whole system, each a process that can be killed with -9 and comes back where it was.

import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { PROJECT } from '../../ops/environment.ts'
import { Ports } from '../../ops/local/ports.ts'
import { startPostgres } from '../../ops/local/postgres.ts'
import { startTemporal } from '../../ops/local/temporal-server.ts'

export type Part = {
  /** Where it serves; empty where it serves nobody. */
  readonly url: string
  /** kill -9; resolves when it is back. */
  kill(): Promise<void>
  stop(): Promise<void>
}

const AGAIN_MS = 200
const say = (): void => undefined

export async function postgresPart(folder: string): Promise<Part> {
  const start = (port: number) =>
    startPostgres({
      folder: join(folder, 'postgres'),
      record: join(folder, 'postgres.json'),
      logFile: join(folder, 'postgres.log'),
      ports: new Ports(),
      port,
      say,
    })
  let server = await start(0)
  return {
    url: server.url,
    async kill() {
      await killed(server.child)
      server = await start(server.port)
    },
    stop: () => server.stop(),
  }
}

export async function temporalPart(folder: string): Promise<Part> {
  const start = (port: number, uiPort: number) =>
    startTemporal({
      folder: join(folder, 'temporal'),
      record: join(folder, 'temporal.json'),
      logFile: join(folder, 'temporal.log'),
      ports: new Ports(),
      port,
      uiPort,
      namespace: 'default',
      say,
    })
  let server = await start(0, 0)
  return {
    url: server.address,
    async kill() {
      await killed(server.child)
      server = await start(server.port, server.uiPort)
    },
    stop: () => server.stop(),
  }
}

export type Program = {
  readonly folder: string
  readonly name: string
  readonly module: string
  readonly args?: readonly string[]
  readonly env: Readonly<Record<string, string>>
}

/** One of our own programs: it is started again whenever it ends, as whoever runs it would do. */
export async function programPart(program: Program): Promise<Part> {
  let isStopping = false
  let [child, ready] = run(program)
  const first = await ready
  void keep()
  return {
    url: first,
    async kill() {
      const dead = child
      dead.kill('SIGKILL')
      while (child === dead) await delay(AGAIN_MS)
      await ready
    },
    async stop() {
      isStopping = true
      await killed(child)
    },
  }

  async function keep(): Promise<void> {
    while (!isStopping) {
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
      await delay(AGAIN_MS)
      if (isStopping) return
      // It keeps its port: whoever waits for it knows no other.
      const port = first === '' ? {} : { PORT: new URL(first).port }
      ;[child, ready] = run({ ...program, env: { ...program.env, ...port } })
    }
  }
}

/** The address that it tells when it serves; empty where it has none, or has ended before. */
function run({ folder, name, module, args = [], env }: Program): readonly [ChildProcess, Promise<string>] {
  const log = openSync(join(folder, `${name}.log`), 'a')
  const child = fork(join(PROJECT, module), args, {
    cwd: PROJECT,
    env: { ...process.env, ...env },
    execArgv: ['--import', join(PROJECT, 'ops/local/tether.ts')],
    stdio: ['ignore', log, log, 'ipc'],
  })
  closeSync(log)
  const ready = new Promise<string>((resolve) => {
    child.on('message', (message: { readonly url?: string | null }) => resolve(message.url ?? ''))
    child.once('exit', () => resolve(''))
  })
  return [child, ready]
}

async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  if (child.pid !== undefined) process.kill(child.pid, 'SIGKILL')
  await exited
}
