// The limiter in real time against rate limiters that are not ours: nginx as a token bucket and haproxy as a sliding
// counter, each a program of its own whose own log is the account.
//
// The load never ends and every call is held back for up to 200 ms on purpose. Limiters that are wrong in a usual way
// run against the same referees: one that is not caught would mean that the referees see nothing.

import Table from 'cli-table3'

import type { Limit } from '../domain/limit.ts'
import { explain, Fault } from '../ops/fault.ts'
import { randomFrom } from '../simulator/virtual/random.ts'
import { program, versionOf } from './referees/debian.ts'
import { drive, type Driven } from './referees/drive.ts'
import { startHaproxy } from './referees/haproxy.ts'
import { startNginx } from './referees/nginx.ts'
import { core, usualBucket, type Pacer } from './referees/pacer.ts'
import type { Decision, Referee } from './referees/referee.ts'

const ADDED_MS = 200
/** What timers and the way over loopback may take besides, on a machine that does other things as well. */
const MARGIN_MS = 50
const WAY_MS = 20
const JITTER_MS = ADDED_MS + MARGIN_MS
const MINUTE_MS = 60_000
const SEED = 20_261_121

type Contest = {
  readonly referee: 'nginx' | 'haproxy'
  readonly limiter: string
  readonly pacer: () => Pacer
  /** Use to reach without a rejection; null: has to be caught. */
  readonly target: number | null
  /** Use is measured over one minute from then on: what is there at the beginning is gone. */
  readonly fromMs: number
  readonly forMs: number
}

const NGINX = { perMinute: 6_000, capacity: 50 } as const
const HAPROXY = { units: 3_000, windowMs: MINUTE_MS } as const

const BUCKET: Limit = {
  type: 'token-bucket',
  capacity: NGINX.capacity,
  refillUnits: NGINX.perMinute,
  refillMs: MINUTE_MS,
}
/** A bucket with capacity + refill = limit stays under a sliding counter, whenever that began its periods. */
const PACED_CAPACITY = 15
const COUNTER: Limit = {
  type: 'token-bucket',
  capacity: PACED_CAPACITY,
  refillUnits: HAPROXY.units - PACED_CAPACITY,
  refillMs: HAPROXY.windowMs,
}
const LOG: Limit = { type: 'sliding-window', units: HAPROXY.units, windowMs: HAPROXY.windowMs }

const CONTESTS: readonly Contest[] = [
  {
    referee: 'nginx',
    limiter: `ours: its bucket, jitter ${JITTER_MS} ms`,
    pacer: () => core({ limits: [BUCKET], jitterMs: JITTER_MS }),
    target: 0.995,
    fromMs: 2_000,
    forMs: 2_000 + MINUTE_MS,
  },
  {
    referee: 'haproxy',
    limiter: `ours: a bucket below it, jitter ${JITTER_MS} ms`,
    pacer: () => core({ limits: [COUNTER], jitterMs: JITTER_MS }),
    target: 0.99,
    fromMs: HAPROXY.windowMs,
    forMs: HAPROXY.windowMs + MINUTE_MS,
  },
  {
    referee: 'nginx',
    limiter: 'wrong: told of no jitter',
    pacer: () => core({ limits: [BUCKET], jitterMs: 0 }),
    target: null,
    fromMs: 2_000,
    forMs: 10_000,
  },
  {
    referee: 'nginx',
    limiter: 'wrong: a minute as capacity, and refill',
    pacer: () => usualBucket({ capacity: NGINX.perMinute, perMinute: NGINX.perMinute }),
    target: null,
    fromMs: 2_000,
    forMs: 10_000,
  },
  {
    referee: 'haproxy',
    limiter: 'wrong: a window, told of no jitter',
    pacer: () => core({ limits: [LOG], jitterMs: 0 }),
    target: null,
    fromMs: HAPROXY.windowMs,
    forMs: HAPROXY.windowMs + 10_000,
  },
]

type Outcome = { readonly driven: Driven; readonly decisions: readonly Decision[] }

/** Prints the table; exit code 1 where a promise is not met, a wrong limiter passes or a referee is not to be had. */
export async function referees(): Promise<void> {
  const start = await starters()
  const table = new Table({
    head: [
      'referee',
      'limiter',
      'arrived',
      'rejected',
      'use',
      'delay p50 / max ms',
      'handed back / late',
      '',
    ],
    style: { head: [], border: [] },
  })
  // The wrong ones go after those that are measured, so that their bursts delay nobody.
  const measured = CONTESTS.filter(({ target }) => target !== null)
  const wrong = CONTESTS.filter(({ target }) => target === null)
  for (const round of [measured, wrong]) {
    const rows = await Promise.all(
      round.map(async (contest) => describe(contest, await compete(contest, start[contest.referee]))),
    )
    table.push(...rows.map(({ cells }) => cells))
    if (rows.some(({ isAsExpected }) => !isAsExpected)) process.exitCode = 1
  }
  console.log(table.toString())
}

type Start = (() => Promise<Referee>) | Fault

async function starters(): Promise<Record<Contest['referee'], Start>> {
  return {
    nginx: await starter('nginx', (found) => startNginx(found, NGINX)),
    haproxy: await starter('haproxy', (found) => startHaproxy(found, HAPROXY)),
  }
}

async function starter(
  name: string,
  start: (found: Awaited<ReturnType<typeof program>>) => Promise<Referee>,
): Promise<Start> {
  try {
    const found = await program(name, console.log)
    console.log(`${name} ${versionOf(found)}`)
    return () => start(found)
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    console.log(explain(error))
    return error
  }
}

async function compete(contest: Contest, start: Start): Promise<Outcome | Fault> {
  if (start instanceof Fault) return start
  const referee = await start()
  let decisions: readonly Decision[] = []
  try {
    const driven = await drive({
      pacer: contest.pacer(),
      call: referee.call,
      forMs: contest.forMs,
      addedMs: ADDED_MS,
      wayMs: WAY_MS,
      random: randomFrom(SEED, contest.limiter),
    })
    decisions = await referee.stop()
    return { driven, decisions }
  } finally {
    if (decisions.length === 0) await referee.stop()
  }
}

function describe(contest: Contest, outcome: Outcome | Fault): { cells: string[]; isAsExpected: boolean } {
  const { referee, limiter, target } = contest
  if (outcome instanceof Fault) {
    const cells = [referee, limiter, '-', '-', '-', '-', '-', `not counted: ${outcome.message}`]
    return { cells, isAsExpected: false }
  }
  const { driven, decisions } = outcome
  const rejected = decisions.filter(({ isAdmitted }) => !isAdmitted).length
  const use = useOf(contest, decisions)
  const isWhole = decisions.length === driven.sent && driven.failures === 0
  const isMet = target === null ? rejected > 0 : rejected === 0 && use >= target
  const told = target === null ? `caught: ${rejected} rejections` : `met: 0 at ${percent(target)} or more`
  const missed = target === null ? 'NOT CAUGHT' : `missed: 0 at ${percent(target)} or more`
  const broken = `not counted: ${driven.sent} sent, ${decisions.length} in its log, ${driven.failures} failed`
  return {
    cells: [
      referee,
      limiter,
      decisions.length.toLocaleString('en'),
      rejected.toLocaleString('en'),
      Number.isNaN(use) ? '-' : percent(use),
      `${driven.delayP50Ms} / ${driven.delayMaxMs}`,
      `${driven.handedBack} / ${driven.late}`,
      isWhole ? (isMet ? told : missed) : broken,
    ],
    isAsExpected: isWhole && isMet,
  }
}

/** Admitted in the measured minute, over what a steady load may take in one; NaN where it did not last that long. */
function useOf({ referee, fromMs, forMs }: Contest, decisions: readonly Decision[]): number {
  const perMinute = referee === 'nginx' ? NGINX.perMinute : (HAPROXY.units * MINUTE_MS) / HAPROXY.windowMs
  if (forMs < fromMs + MINUTE_MS) return Number.NaN
  const beginsMs = (decisions[0]?.atMs ?? 0) + fromMs
  const admitted = decisions.filter(
    ({ atMs, isAdmitted }) => isAdmitted && atMs > beginsMs && atMs <= beginsMs + MINUTE_MS,
  )
  return admitted.length / perMinute
}

function percent(part: number): string {
  return `${(100 * part).toFixed(2)} %`
}
