// `npm run bench -- promises`: what the limiter promises, each row with its number to reach, in one table.
//
// Most rows are simulations on virtual time, judged by the simulator's own referee; the rows of real time are nginx's and
// haproxy's accounts. A row that is missed says why, and makes the exit code 1.

import { randomUUID } from 'node:crypto'
import Table from 'cli-table3'

import { encode } from '../limiter/state.ts'
import { measure } from '../simulator/virtual/measure.ts'
import type { FigureName, Figures } from '../simulator/virtual/metrics/figure.ts'
import { loadScenario, type Scenario } from '../simulator/virtual/scenario.ts'
import { measureCore, Scene } from './limiter/core.ts'
import { nanosPerOperation } from './limiter/processor.ts'
import { contests } from './referees.ts'

const SEED = 1
const HALF_HOUR = 0.5
const J_MS = 200
const MINUTE_MS = 60_000

type Row = {
  readonly promise: string
  readonly measured: string
  readonly toReach: string
  readonly isMet: boolean
  /** Told where it is missed. */
  readonly why?: string
}

export async function promises(): Promise<void> {
  const rows = [...limits(), ...order(), ...prediction(), ...core(), ...(await inRealTime())]
  const table = new Table({
    head: ['promise', 'measured', 'to reach', ''],
    style: { head: [], border: [] },
  })
  for (const { promise, measured, toReach, isMet } of rows)
    table.push([promise, measured, toReach, isMet ? 'met' : 'missed'])
  console.log(table.toString())
  for (const { promise, isMet, why } of rows)
    if (!isMet) console.log(`missed: ${promise}: ${why ?? 'no reason known'}`)
  if (rows.some(({ isMet }) => !isMet)) process.exitCode = 1
}

/** As scenarios tell limits. */
type Limit = Scenario['resources'][string]['limits'][number]
type Kind = { readonly limit: Limit; readonly useMin: number; readonly mostOfLimit: number }

/** What a window mirrored over W + J leaves of the limit. */
const MIRRORED = MINUTE_MS / (MINUTE_MS + J_MS)

const KINDS: Readonly<Record<string, Kind>> = {
  'token bucket': {
    limit: { type: 'token-bucket', capacity: 100, refillUnits: 600, refillMs: MINUTE_MS },
    useMin: 0.995,
    mostOfLimit: 1,
  },
  'sliding log of 60 s': {
    limit: { type: 'sliding-window', units: 600, windowMs: MINUTE_MS },
    useMin: 0.993,
    mostOfLimit: MIRRORED,
  },
  'fixed window, phase known': {
    limit: { type: 'clock-window', units: 600, windowMs: MINUTE_MS, phaseMs: 0 },
    useMin: 0.99,
    mostOfLimit: 1,
  },
  'sliding counter': {
    limit: { type: 'sliding-counter', units: 600, windowMs: MINUTE_MS },
    useMin: 0.99,
    mostOfLimit: MIRRORED,
  },
}

/** Backlog for half an hour, deliveries that take 0 to 200 ms; use is told of the whole limit. */
function limits(): readonly Row[] {
  const base = loadScenario('quantized')
  const rows = Object.entries(KINDS).map(([name, { limit, useMin, mostOfLimit }]): Row => {
    const resources = Object.fromEntries(
      Object.entries(base.resources).map(([id, resource]) => [id, { ...resource, limits: [limit] }]),
    )
    const { violations, use } = figuresOf({ ...base, resources, hours: HALF_HOUR })
    return limitRow(`limits: ${name}`, violations, (use ?? 0) * mostOfLimit, useMin)
  })
  const { violations, use } = figuresOf(loadScenario('slots'))
  return [...rows, limitRow('limits: concurrency, of S / (S + RTT)', violations, use ?? 0, 0.99)]
}

function limitRow(promise: string, violations: Figures['violations'], use: number, useMin: number): Row {
  return {
    promise,
    measured: `${violations ?? '-'} rejected, ${percent(use)} used`,
    toReach: `0 rejected, >= ${percent(useMin)}`,
    isMet: violations === 0 && use >= useMin,
  }
}

const STARVATION_SCENARIOS = ['saturated', 'flood', 'tenants', 'cut'] as const
const BIG_SCENARIOS = ['big-requests', 'tenants'] as const

function order(): readonly Row[] {
  const share = figuresOf(loadScenario('fair-share'))
  const mix = figuresOf(loadScenario('fair-mix'))
  return [
    atLeast('fairness: weighted Jain in the guaranteed share', share.jain, 0.999),
    {
      ...atLeast('fairness: Jain of the mix, clients of a tier', mix['jain-in-tier'], 0.99),
      why: 'the worst tier in the worst ten minutes of four hours',
    },
    {
      ...atLeast('fairness: weighted Jain of the mix, over tiers', mix.jain, 0.99),
      why: 'three quarters go by score, where a tier outranks the next for 50 minutes of waiting; a resource that is all guaranteed share (guaranteedShare 1) is the row above',
    },
    {
      ...atMost('starvation: longest wait over its bound', worstOf(STARVATION_SCENARIOS, 'starvation'), 1),
      why: 'a window that is full frees nothing for up to W + J, which the bound leaves out; with it, the bound holds (GS5)',
    },
    {
      ...atMost(
        'starvation: the same where five resources are wanted at once',
        figuresOf(loadScenario('vectors')).starvation,
        1,
      ),
      why: 'the bound looks at the slowest resource alone; who wants five waits until all of them have room at once',
    },
    atMost('big requests: p99 of the largest 1 % over p99 of all', worstOf(BIG_SCENARIOS, 'big-penalty'), 3),
  ]
}

const PREDICTED = ['fair-mix', 'saturated', 'trace-conv', 'trace-code'] as const

function prediction(): readonly Row[] {
  return PREDICTED.flatMap((name) => {
    const figures = figuresOf(loadScenario(name))
    const why = 'who will arrive with a higher score is not known; see docs/simulation.md'
    return [
      { ...atMost(`prediction: median error, ${name}`, figures['eta-p50'], 0.1), why },
      { ...atMost(`prediction: p90 of the error, ${name}`, figures['eta-p90'], 0.3), why },
    ]
  })
}

const WAITING = 5_000

function core(): readonly Row[] {
  measureCore(2_000)
  const [few, many] = [measureCore(1_000), measureCore(100_000)]
  const grantMicros = Number(many['grant'])
  const scene = new Scene(0, { clients: 50, idOf: () => `${randomUUID()}#1` })
  const emptyBytes = bytesOf(scene)
  for (let nth = 0; nth < WAITING; nth += 1) scene.arrive()
  const perWaiting = (bytesOf(scene) - emptyBytes) / WAITING
  return [
    {
      promise: 'core speed: a grant with 100,000 waiting, 10,000 clients',
      measured: `${many['grant']} us (1,000 waiting: ${few['grant']} us)`,
      toReach: '<= 5 us',
      isMet: grantMicros <= 5,
      why: `the machine: ${nanosPerOperation().toFixed(2)} ns a dependent multiplication and addition, a heap of this size ${many['heap floor']} us`,
    },
    {
      promise: 'state: JSON of one that waits, with its id, of 50 clients',
      measured: `${perWaiting.toFixed(1)} bytes`,
      toReach: '<= 70 bytes',
      isMet: perWaiting <= 70,
    },
    {
      promise: 'state: 5,000 waiting',
      measured: `${Math.round(bytesOf(scene) / 1_000)} KB`,
      toReach: '< 400 KB',
      isMet: bytesOf(scene) < 400_000,
    },
  ]
}

function bytesOf({ state }: Scene): number {
  return JSON.stringify(encode(state)).length
}

async function inRealTime(): Promise<readonly Row[]> {
  const verdicts = await contests()
  return verdicts.map(({ contest, cells, isAsExpected }): Row => {
    const [, , arrived = '', rejected = '', use = ''] = cells
    const { referee, limiter, target } = contest
    return {
      promise: `real time, ${referee}: ${limiter}`,
      measured: `${rejected} of ${arrived} rejected${target === null ? '' : `, ${use} used`}`,
      toReach: target === null ? 'caught' : `0 rejected, >= ${percent(target)}`,
      isMet: isAsExpected,
      why: cells.at(-1) ?? '',
    }
  })
}

function figuresOf(scenario: Scenario): Figures {
  process.stderr.write(`${scenario.title}\n`)
  const samples = { count: 1, look: () => undefined }
  return measure({
    scenario,
    seed: SEED,
    hours: scenario.hours,
    suspect: 'ours',
    samples,
    onStep: () => undefined,
  }).figures
}

function worstOf(names: readonly string[], figure: FigureName): number | null {
  const values = names.map((name) => figuresOf(loadScenario(name))[figure] ?? null)
  return values.includes(null) ? null : Math.max(...values.map(Number))
}

function atLeast(promise: string, value: number | null | undefined, least: number): Row {
  return { promise, measured: told(value), toReach: `>= ${least}`, isMet: (value ?? -Infinity) >= least }
}

function atMost(promise: string, value: number | null | undefined, most: number): Row {
  return { promise, measured: told(value), toReach: `<= ${most}`, isMet: (value ?? Infinity) <= most }
}

function told(value: number | null | undefined): string {
  return value?.toFixed(4) ?? 'not measured'
}

function percent(part: number): string {
  return `${(100 * part).toFixed(2)} %`
}
