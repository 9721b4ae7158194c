// Admissions and settlements a second, beside the naive way and a floor of bare tables in the same run.
//
// One process with the service's own pool of connections and 100 callers, each for a client of its own that has a
// budget; Postgres as `npm start` has it, fsync on. Three settings: nothing shared; a budget of `global` above all; the
// same with slow commits. A commit is made slow by Postgres' own `commit_delay`: whoever writes the log for a group of
// commits sleeps 5 ms first, with the locks held, just as behind a slow disk.
//
// Each round of an arm takes turns with the others, and the median round counts. Budgets are sized to the nano-dollar,
// so that the last admission fits exactly and one more is refused: a lost, doubled or false hold fails the run.

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Table from 'cli-table3'
import { admit } from '../activities/ledger/admit.ts'
import { migrate } from '../activities/ledger/migrate.ts'
import { Ports } from '../ops/local/ports.ts'
import { startPostgres } from '../ops/local/postgres.ts'
import { Books, CALLERS, CONNECTIONS } from './ledger-books.ts'
import { openBareTables } from './ledger-floor.ts'
import { naiveAdmit } from './ledger-naive.ts'
import { measure, type Measured } from './load.ts'

const ROUNDS = 3
const COUNT = 2_000
const NAIVE_COUNT = 600
const SINGLES = 300
const COMMIT_MS = 5
/** `isShared`: under a budget of `global`. `isSlow`: commits take `COMMIT_MS` more. */
type Setting = { readonly name: string; readonly isShared: boolean; readonly isSlow: boolean }

const SETTINGS: readonly Setting[] = [
  { name: '100 clients', isShared: false, isSlow: false },
  { name: 'one shared budget', isShared: true, isSlow: false },
  { name: `shared, ${COMMIT_MS} ms commits`, isShared: true, isSlow: true },
]

export async function ledger(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'resource-manager-bench-'))
  const server = await startPostgres({
    folder,
    record: join(folder, 'postgres.json'),
    logFile: join(folder, 'postgres.log'),
    ports: new Ports(),
    port: 0,
    say: progress,
  })
  try {
    await migrate(server.url)
    const books = await Books.open(server.url)
    const rounds = new Map<string, Measured[]>()
    const note = (arm: string, measured: Measured): void => {
      progress(`  ${arm}: ${measured.perSecond.toFixed(0)}/s, p50 ${measured.p50Ms.toFixed(1)} ms`)
      rounds.set(arm, [...(rounds.get(arm) ?? []), measured])
    }
    for (let round = 1; round <= ROUNDS; round += 1) {
      progress(`round ${round} of ${ROUNDS}`)
      await runRound(books, note)
    }
    report(rounds)
    await books.close()
  } finally {
    await server.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

type Note = (arm: string, measured: Measured) => void

async function runRound(books: Books, note: Note): Promise<void> {
  for (const setting of SETTINGS) {
    const { name, isShared, isSlow } = setting
    await books.setCommits(isSlow ? COMMIT_MS : 0)
    const bare = await openBareTables(books.url, { connections: CONNECTIONS, rows: isShared ? 1 : CALLERS })
    note(
      `bare tables, ${name}`,
      await measure({ callers: CALLERS, count: COUNT, once: (nth) => bare.once(nth) }),
    )
    if (isShared) {
      const measured = await measure({ callers: 2, count: COUNT / 50, once: () => bare.batch(50) })
      note(`bare tables in batches of 50, ${name}`, { ...measured, perSecond: measured.perSecond * 50 })
    }
    await bare.close()

    const naive = await books.open(setting, NAIVE_COUNT)
    note(`naive, ${name}`, await naive.measureAdmissions(naiveAdmit, CALLERS))
    await naive.prove(naiveAdmit)

    const ours = await books.open(setting, COUNT)
    note(`admissions, ${name}`, await ours.measureAdmissions(admit, CALLERS))
    await ours.prove(admit)
    await ours.grantAll()
    note(`settlements, ${name}`, await ours.measureSettlements())
    await ours.proveSettled()
  }
  await books.setCommits(0)
  const [plain] = SETTINGS
  assert(plain)
  const single = await books.open(plain, SINGLES)
  note('admission, one at a time', await single.measureAdmissions(admit, 1))
  await single.prove(admit)
}

function report(rounds: ReadonlyMap<string, readonly Measured[]>): void {
  const table = new Table({ head: ['arm', 'per second', 'p50 ms', 'p95 ms', 'p99 ms'] })
  for (const [arm, measured] of rounds) {
    const sorted = measured.toSorted((a, b) => a.perSecond - b.perSecond)
    const median = sorted[Math.floor(sorted.length / 2)]
    assert(median)
    const { perSecond, p50Ms, p95Ms, p99Ms } = median
    table.push([arm, perSecond.toFixed(0), p50Ms.toFixed(1), p95Ms.toFixed(1), p99Ms.toFixed(1)])
  }
  console.log(table.toString())
  console.log('sums of holds and use exact to the nano-dollar, no false refusal, 0 differences')
}

function progress(text: string): void {
  console.error(`bench: ${text}`)
}
