// The limiter in real time against rate limiters that are not ours: nginx as a token bucket and haproxy as a sliding
// counter, each a program of its own whose own log is the account; two of npm as windows from a first hit.
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
import { startExpress, startFlexible } from './referees/in-process.ts'
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

const NGINX = { perMinute: 6_000, capacity: 50 } as const
const HAPROXY = { units: 1_200, windowMs: MINUTE_MS } as const
const WINDOW = { units: 200, windowMs: 10_000 } as const

type RefereeName = 'nginx' | 'haproxy' | 'rate-limiter-flexible' | 'express-rate-limit'

/** What a steady load may take in a minute. */
const PER_MINUTE: Readonly<Record<RefereeName, number>> = {
  nginx: NGINX.perMinute,
  haproxy: HAPROXY.units,
  'rate-limiter-flexible': (WINDOW.units * MINUTE_MS) / WINDOW.windowMs,
  'express-rate-limit': (WINDOW.units * MINUTE_MS) / WINDOW.windowMs,
}

const BUCKET: Limit = {
  type: 'token-bucket',
  capacity: NGINX.capacity,
  refillUnits: NGINX.perMinute,
  refillMs: MINUTE_MS,
}
const COUNTER: Limit = { type: 'sliding-counter', ...HAPROXY }
const LOG: Limit = { type: 'sliding-window', ...HAPROXY }
const FIRST_HIT: Limit = { type: 'first-hit-window', ...WINDOW }
const CLOCK: Limit = { type: 'clock-window', ...WINDOW, phaseMs: 0 }

type Contest = {
  readonly referee: RefereeName
  readonly limiter: string
  readonly pacer: () => Pacer
  /** Use to reach without a rejection; null: has to be caught. */
  readonly target: number | null
  /** Use is measured from then on, counted from the first arrival, for `measuredMs`; 0: it is not. */
  readonly fromMs: number
  readonly measuredMs: number
  readonly forMs: number
}

const UNMEASURED = { fromMs: 0, measuredMs: 0 } as const

const ours = (limit: Limit, jitterMs: number) => (): Pacer => core({ limits: [limit], jitterMs })

const firstHits = (referee: RefereeName): readonly Contest[] => [
  {
    referee,
    limiter: `ours: its window, jitter ${JITTER_MS} ms`,
    pacer: ours(FIRST_HIT, JITTER_MS),
    target: 0.97,
    fromMs: 0,
    measuredMs: MINUTE_MS,
    forMs: MINUTE_MS,
  },
  {
    referee,
    limiter: "wrong: the clock's windows, no jitter",
    pacer: ours(CLOCK, 0),
    target: null,
    ...UNMEASURED,
    forMs: 4 * WINDOW.windowMs,
  },
]

const CONTESTS: readonly Contest[] = [
  {
    referee: 'nginx',
    limiter: `ours: its bucket, jitter ${JITTER_MS} ms`,
    pacer: ours(BUCKET, JITTER_MS),
    target: 0.995,
    // What is there at the beginning is gone by then.
    fromMs: 2_000,
    measuredMs: MINUTE_MS,
    forMs: 2_000 + MINUTE_MS,
  },
  {
    referee: 'haproxy',
    limiter: `ours: its counter, jitter ${JITTER_MS} ms`,
    pacer: ours(COUNTER, JITTER_MS),
    target: 0.99,
    // A counter begins with a burst, whose echo is in the minutes after it: two of them.
    fromMs: HAPROXY.windowMs,
    measuredMs: 2 * MINUTE_MS,
    forMs: HAPROXY.windowMs + 2 * MINUTE_MS,
  },
  {
    referee: 'nginx',
    limiter: 'wrong: told of no jitter',
    pacer: ours(BUCKET, 0),
    target: null,
    ...UNMEASURED,
    forMs: 10_000,
  },
  {
    referee: 'nginx',
    limiter: 'wrong: a minute as capacity, and refill',
    pacer: () => usualBucket({ capacity: NGINX.perMinute, perMinute: NGINX.perMinute }),
    target: null,
    ...UNMEASURED,
    forMs: 10_000,
  },
  {
    referee: 'haproxy',
    limiter: 'wrong: a window, told of no jitter',
    pacer: ours(LOG, 0),
    target: null,
    ...UNMEASURED,
    forMs: HAPROXY.windowMs + 10_000,
  },
  ...firstHits('rate-limiter-flexible'),
  ...firstHits('express-rate-limit'),
]

type Outcome = { readonly driven: Driven; readonly decisions: readonly Decision[] }

/** Prints the table; exit code 1 where a promise is not met, a wrong limiter passes or a referee is not to be had. */
export async function referees(): Promise<void> {
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
  const verdicts = await contests()
  table.push(...verdicts.map(({ cells }) => cells))
  if (verdicts.some(({ isAsExpected }) => !isAsExpected)) process.exitCode = 1
  console.log(table.toString())
}

export type Verdict = {
  readonly contest: Contest
  /** As the table tells it. */
  readonly cells: string[]
  readonly isAsExpected: boolean
}

/** Ours first; the wrong ones go after them, so that their bursts delay nobody. */
export async function contests(): Promise<readonly Verdict[]> {
  const start = await starters()
  const measured = CONTESTS.filter(({ target }) => target !== null)
  const wrong = CONTESTS.filter(({ target }) => target === null)
  const verdicts: Verdict[] = []
  for (const round of [measured, wrong]) {
    verdicts.push(
      ...(await Promise.all(
        round.map(async (contest) => describe(contest, await compete(contest, start[contest.referee]))),
      )),
    )
  }
  return verdicts
}

type Start = (() => Promise<Referee>) | Fault

async function starters(): Promise<Record<RefereeName, Start>> {
  return {
    nginx: await starter('nginx', (found) => startNginx(found, NGINX)),
    haproxy: await starter('haproxy', (found) => startHaproxy(found, HAPROXY)),
    'rate-limiter-flexible': () => startFlexible(WINDOW),
    'express-rate-limit': () => startExpress(WINDOW),
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

function describe(contest: Contest, outcome: Outcome | Fault): Verdict {
  const { referee, limiter, target } = contest
  if (outcome instanceof Fault) {
    const cells = [referee, limiter, '-', '-', '-', '-', '-', `not counted: ${outcome.message}`]
    return { contest, cells, isAsExpected: false }
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
    contest,
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

/** Admitted in the measured time, over what a steady load may take in it; NaN where it is not measured. */
function useOf({ referee, fromMs, measuredMs }: Contest, decisions: readonly Decision[]): number {
  if (measuredMs === 0) return Number.NaN
  const beginsMs = (decisions[0]?.atMs ?? 0) + fromMs
  const admitted = decisions.filter(
    ({ atMs, isAdmitted }) => isAdmitted && atMs >= beginsMs && atMs < beginsMs + measuredMs,
  )
  return (admitted.length * MINUTE_MS) / (PER_MINUTE[referee] * measuredMs)
}

function percent(part: number): string {
  return `${(100 * part).toFixed(2)} %`
}
