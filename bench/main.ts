// `npm run bench -- NAME`: one benchmark by its name; every figure is printed with what it was measured on.

import { ledger } from './ledger.ts'
import { limiter } from './limiter/main.ts'
import { describeMachine } from './machine.ts'
import { promises } from './promises.ts'
import { referees } from './referees.ts'
import { smoke } from './smoke.ts'
import { usage } from './usage.ts'

const BENCHMARKS: Readonly<Record<string, () => Promise<void>>> = {
  smoke,
  limiter,
  ledger,
  referees,
  usage,
  promises,
}

// What a benchmark has started ends with it.
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => process.exit(1))

const [name = '--help'] = process.argv.slice(2)
const benchmark = BENCHMARKS[name]
if (benchmark === undefined) {
  console.log(`npm run bench -- NAME, where NAME is one of: ${Object.keys(BENCHMARKS).join(', ')}`)
  process.exitCode = name === '--help' ? 0 : 2
} else {
  console.log(await describeMachine())
  await benchmark()
}
