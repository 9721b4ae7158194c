// A foreign server that is kept running: when it ends by itself it is started again, on the same port.

import type { ChildProcess } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'

import { explain } from '../fault.ts'
import type { Console } from './console.ts'

const BACKOFF_MS = [200, 1_000, 5_000] as const

export interface Server {
  readonly port: number
  readonly child: ChildProcess
  readonly stop: () => Promise<void>
}

export interface KeptServer<S extends Server> {
  readonly first: S
  readonly stop: () => Promise<void>
}

export interface KeepOptions<S extends Server> {
  readonly name: string
  /** Starts it; where it was, when it has been there before. */
  readonly start: (before: S | null) => Promise<S>
  readonly console: Console
}

export async function keepServer<S extends Server>(options: KeepOptions<S>): Promise<KeptServer<S>> {
  const { name, start, console } = options
  const first = await start(null)
  let current = first
  let isStopping = false

  const watch = (): void => {
    current.child.once('exit', (code, signal) => {
      if (isStopping) return
      console.warn(`${name} ended (${signal ?? `exit code ${code}`}); it is started again`)
      void restart(0)
    })
  }
  const restart = async (failures: number): Promise<void> => {
    await delay(BACKOFF_MS[Math.min(failures, BACKOFF_MS.length - 1)])
    if (isStopping) return
    try {
      current = await start(first)
    } catch (error) {
      console.warn(explain(error))
      return restart(failures + 1)
    }
    if (current.port !== first.port) console.warn(`${name} moved to port ${current.port}: start again`)
    watch()
  }
  watch()
  return {
    first,
    stop: async () => {
      isStopping = true
      await current.stop()
    },
  }
}
