// What one decision of the limiter's core costs, by how many wait.
//
// Clients of all tiers wait for one resource (bucket, window and slots). In rounds, as many settle as arrive, so that as
// many wait all the time: every settlement frees a slot and grants the next. `settle` is a settlement while the limiter
// is paused, `grant` a grant of those that follow in one pass when it goes on. Figures are microseconds of wall
// time a decision in the median round, beside a heap of the same size in the same run.

import { URGENCIES } from '../../domain/priority.ts'
import { RESOURCE_DEFAULTS, type Resource } from '../../domain/resource.ts'
import type { LimiterEvent, Reserve } from '../../limiter/event.ts'
import { createState, encode, restore, UNBOUNDED_BYTES, type LimiterState } from '../../limiter/state.ts'
import { step } from '../../limiter/step.ts'
import { check, placement } from '../../limiter/view.ts'
import { quantile } from '../load.ts'
import { heapFloor, micros } from './processor.ts'

const CLIENTS = 10_000
const TIERS = ['enterprise', 'premium', 'standard', 'basic'] as const
const SLOTS = 64
const LEASE_MS = 3_600_000
const ROUNDS = 100
const PER_ROUND = 250

const GPT: Resource = {
  ...RESOURCE_DEFAULTS,
  id: 'openai/gpt-4/tokens',
  unit: 'tokens',
  limits: [
    { type: 'token-bucket', capacity: 1_000_000_000, refillUnits: 1_000_000_000, refillMs: 60_000 },
    { type: 'sliding-window', units: 1_000_000_000, windowMs: 60_000 },
    { type: 'concurrency', slots: SLOTS, per: 'reservation' },
  ],
  maxQueue: 200_000,
}

type Row = Readonly<Record<string, string | number>>

/** Who asks, and by what ids. */
type Crowd = { readonly clients: number; readonly idOf: (nth: number) => string }

const MANY: Crowd = { clients: CLIENTS, idOf: (nth) => `request-${nth}#1` }

/** A limiter for which `waiting` wait and SLOTS run. */
export class Scene {
  readonly state: LimiterState = createState(UNBOUNDED_BYTES)
  readonly #running: string[] = []
  readonly #crowd: Crowd
  #nth = 0
  #atMs = 0

  constructor(waiting: number, crowd: Crowd = MANY) {
    this.#crowd = crowd
    const tiers = Object.fromEntries(
      TIERS.map((tier, at) => [tier, { points: 40 - 10 * at, weight: 4 - at }]),
    )
    this.tell({ kind: 'configure', atMs: 0, version: 1, resources: { [GPT.id]: GPT }, tiers, clients: {} })
    for (let at = 0; at < waiting + SLOTS; at += 1) this.arrive()
  }

  tell(event: LimiterEvent): void {
    for (const effect of step(this.state, event)) if (effect.kind === 'granted') this.#running.push(effect.id)
  }

  arrive(): void {
    this.#atMs += 1
    this.tell(arrival(this.#nth, this.#atMs, this.#crowd))
    this.#nth += 1
  }

  settle(): void {
    this.tell({ kind: 'settle', atMs: this.#atMs, id: this.#running.shift() ?? '', actual: null })
  }

  pause(paused: boolean): void {
    this.tell({ kind: 'pause', atMs: this.#atMs, paused })
  }

  /** `back`: how many arrived after it. */
  cancel(back: number): void {
    this.tell({ kind: 'cancel', atMs: this.#atMs, id: this.#crowd.idOf(this.#nth - 1 - back) })
  }

  place(back: number): void {
    placement(this.state, this.#crowd.idOf(this.#nth - 1 - back), this.#atMs)
  }

  check(): void {
    const question = { clientId: 'new', maxConcurrent: null, urgency: 'normal', tier: 'basic' } as const
    check(this.state, { ...question, demand: [[GPT.id, 10]] }, this.#atMs)
  }
}

function arrival(nth: number, atMs: number, { clients, idOf }: Crowd): Reserve {
  return {
    kind: 'reserve',
    atMs,
    id: idOf(nth),
    clientId: `client-${(nth * 7_919) % clients}`,
    tier: TIERS[nth % TIERS.length] ?? 'basic',
    maxConcurrent: null,
    urgency: URGENCIES[(nth >> 2) % URGENCIES.length] ?? 'normal',
    demand: [[GPT.id, 100 + (nth % 900)]],
    enqueuedAtMs: atMs,
    waitUntilMs: atMs + 3_600_000,
    leaseMs: LEASE_MS,
  }
}

export function measureCore(waiting: number): Row {
  const scene = new Scene(waiting)
  const sums = {
    steady: newFloats(),
    arriving: newFloats(),
    settling: newFloats(),
    granting: newFloats(),
    cancelling: newFloats(),
  }
  for (let round = 0; round < ROUNDS; round += 1) {
    sums.steady.push(micros(PER_ROUND, () => scene.settle()))
    sums.arriving.push(micros(PER_ROUND, () => scene.arrive()))
    scene.pause(true)
    sums.settling.push(micros(SLOTS, () => scene.settle()))
    sums.granting.push(micros(1, () => scene.pause(false)) / SLOTS)
    for (let at = 0; at < SLOTS; at += 1) scene.arrive()
    sums.cancelling.push(micros(PER_ROUND, (at) => scene.cancel(at * 2)))
    for (let at = 0; at < PER_ROUND; at += 1) scene.arrive()
  }
  const median = (rounds: readonly number[]): string =>
    quantile(
      rounds.toSorted((a, b) => a - b),
      0.5,
    ).toFixed(2)
  const placing = micros(2_000, (at) => scene.place((at * 37) % (waiting / 2)))
  const checking = micros(2_000, () => scene.check())
  return {
    waiting,
    'settle + grant': median(sums.steady),
    settle: median(sums.settling),
    grant: median(sums.granting),
    reserve: median(sums.arriving),
    cancel: median(sums.cancelling),
    position: placing.toFixed(2),
    check: checking.toFixed(2),
    'heap floor': heapFloor(waiting, 20_000).toFixed(2),
    ...measureState(scene.state),
  }
}

function newFloats(): number[] {
  return []
}

function measureState(state: LimiterState): Row {
  const encoding = micros(3, () => encode(state))
  const text = JSON.stringify(encode(state))
  const restoring = micros(3, () => restore(JSON.parse(text), UNBOUNDED_BYTES))
  return {
    'encode ms': (encoding / 1_000).toFixed(1),
    'restore ms': (restoring / 1_000).toFixed(1),
    'state KB': Math.round(text.length / 1_000),
  }
}
