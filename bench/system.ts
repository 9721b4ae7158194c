// The whole system in a folder of its own, started as a user starts it.

import { spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { usageOfTree } from './processes.ts'

export type System = {
  readonly url: string
  readonly key: string
  readonly pid: number
  readonly startMs: number
  call(
    method: string,
    path: string,
    body?: unknown,
    headers?: Readonly<Record<string, string>>,
  ): Promise<Response>
  stop(): Promise<void>
  /** kill -9 of the start and of all that it started. */
  kill(): Promise<void>
}

const PROJECT = fileURLToPath(new URL('..', import.meta.url))
const READY = /^ready (http\S+)$/

export async function startSystem(
  folder: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<System> {
  const key = environment['RM_ADMIN_KEY'] ?? randomBytes(16).toString('hex')
  const beganMs = performance.now()
  const child = spawn(process.execPath, ['ops/start.ts'], {
    cwd: PROJECT,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      ...process.env,
      PORT: '0',
      RM_POSTGRES_PORT: '0',
      RM_TEMPORAL_PORT: '0',
      RM_TEMPORAL_UI_PORT: '0',
      RM_SAMPLE_REQUEST: '0',
      RM_DATA_DIR: folder,
      RM_ADMIN_KEY: key,
      ...environment,
    },
  })
  const end = (): void => void child.kill('SIGTERM')
  process.once('exit', end)
  const url = await readyUrl(child)
  return {
    url,
    key,
    pid: child.pid ?? 0,
    startMs: performance.now() - beganMs,
    call: (method, path, body, headers = {}) =>
      fetch(new URL(path, url), {
        method,
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
    async kill() {
      process.off('exit', end)
      const ended = once(child, 'exit')
      const tree = child.pid === undefined ? [] : await usageOfTree(child.pid)
      for (const { pid } of tree) process.kill(pid, 'SIGKILL')
      await ended
    },
    async stop() {
      process.off('exit', end)
      const ended = once(child, 'exit')
      end()
      await ended
    },
  }
}

async function readyUrl(child: ChildProcess): Promise<string> {
  const { stdout } = child
  if (stdout === null) throw new Error('the system was started without a pipe to read from')
  for await (const line of createInterface({ input: stdout })) {
    const url = READY.exec(line)?.[1]
    if (url !== undefined) {
      stdout.resume()
      return url
    }
  }
  throw new Error(`the system ended before it was ready (exit code ${child.exitCode})`)
}
