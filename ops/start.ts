// `npm start`: the whole system on this machine, in one process tree.
// U1 SIGTERM, SIGINT, SIGHUP and the end of npm end it in order, within STOP_MS; a second signal ends it at once.
// U2 Whatever ends this process, everything it started ends too (the tethers of what it starts see to that).
// U3 The last line of a start is `ready URL`; from then on the API answers.

import { describeVariables, readEnvironment, unknownVariables } from './environment.ts'
import { explain } from './fault.ts'
import { openConsole } from './local/console.ts'
import { type System, startSystem } from './local/system.ts'
import { readRetention } from './retention.ts'

const STOP_MS = 9_500
const PARENT_POLL_MS = 500
// A Ctrl+C reaches this process twice, by the terminal and by npm: only a later signal is a second one.
const SECOND_SIGNAL_MS = 1_000

const console = openConsole()

if (process.argv.includes('--help') || process.argv.includes('-h')) {
  console.say(describeVariables())
} else {
  await main()
}

async function main(): Promise<void> {
  const cleanups: Array<() => Promise<void>> = []
  let isEnding = false

  const finish = async (code: number): Promise<void> => {
    if (isEnding) return
    isEnding = true
    setTimeout(() => process.exit(1), STOP_MS).unref()
    for (const cleanup of cleanups.toReversed()) {
      await cleanup().catch((error: unknown) => console.warn(explain(error)))
    }
    process.exit(code)
  }
  let firstSignalAt: number | null = null
  const onSignal = (): void => {
    const now = Date.now()
    if (firstSignalAt !== null && now - firstSignalAt >= SECOND_SIGNAL_MS) process.exit(1)
    if (firstSignalAt === null) console.say('stopping')
    firstSignalAt ??= now
    void finish(0)
  }
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, onSignal)
  watchNpm(onSignal)

  try {
    for (const name of unknownVariables(process.env)) console.warn(`${name} is set, and nothing reads it`)
    const environment = readEnvironment(process.env)
    readRetention(process.env)
    const system: System = await startSystem({ environment, console, cleanups })
    console.say(`ready ${system.url}`)
  } catch (error) {
    if (!isEnding) console.warn(explain(error))
    await finish(1)
  }
}

// npm that is killed outright cannot pass the signal on; its child finds itself with another parent.
function watchNpm(onGone: () => void): void {
  if (process.env['npm_lifecycle_event'] === undefined) return
  const npm = process.ppid
  const timer = setInterval(() => {
    if (process.ppid === npm) return
    clearInterval(timer)
    onGone()
  }, PARENT_POLL_MS)
  timer.unref()
}
