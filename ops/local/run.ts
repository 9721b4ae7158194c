// Commands that take long: run them, and say at least every few seconds that they still run.

import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

const PROGRESS_MS = 5_000
const LINES_KEPT_MAX = 40

export interface Outcome {
  /** Exit code; null when the command could not be started, or was killed. */
  readonly code: number | null
  /** Its last lines. */
  readonly lines: readonly string[]
}

export interface LongCommand {
  readonly command: string
  readonly args: readonly string[]
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** What is said while it runs, in front of the seconds and its last line. */
  readonly title: string
  readonly say: (line: string) => void
}

/** Runs a command to its end; it is ended with this process. */
export function runLong(options: LongCommand): Promise<Outcome> {
  const began = Date.now()
  const lines: string[] = []
  const child = spawn(options.command, options.args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const progress = setInterval(() => {
    const seconds = Math.round((Date.now() - began) / 1_000)
    options.say(`${options.title}: ${seconds} s${lines.length > 0 ? `, ${lines.at(-1)}` : ''}`)
  }, PROGRESS_MS)
  const kill = (): void => void child.kill('SIGTERM')
  process.once('exit', kill)
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      lines.push(line)
      if (lines.length > LINES_KEPT_MAX) lines.shift()
    })
  }
  return new Promise((resolve) => {
    const finish = (code: number | null): void => {
      clearInterval(progress)
      process.off('exit', kill)
      resolve({ code, lines })
    }
    child.once('error', (error) => {
      lines.push(error.message)
      finish(null)
    })
    child.once('close', (code) => finish(code))
  })
}
