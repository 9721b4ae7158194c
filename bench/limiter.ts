// What one decision of the limiter's core costs, by how many wait.
//
// Clients of all tiers wait for one resource (bucket, window and slots); every settlement frees a slot, grants the
// next and is followed by a new arrival, so that as many wait all the time. Figures are microseconds of processor time
// a decision; the line below the table says how fast the machine was, since one that is shared may be many times slower.

import { URGENCIES } from '../domain/priority.ts'
import { RESOURCE_DEFAULTS, type Resource } from '../domain/resource.ts'
import type { Reserve } from '../limiter/event.ts'
import { createState, encode, restore, type LimiterState } from '../limiter/state.ts'
import { step } from '../limiter/step.ts'
import { check, placement } from '../limiter/view.ts'

const CLIENTS = 10_000
const TIERS = ['enterprise', 'premium', 'standard', 'basic'] as const
const SIZES = [1_000, 10_000, 100_000]
const DECISIONS_MAX = 5_000
const LEASE_MS = 3_600_000

const GPT: Resource = {
  ...RESOURCE_DEFAULTS,
  id: 'openai/gpt-4/tokens',
  unit: 'tokens',
  limits: [
    { type: 'token-bucket', capacity: 1_000_000_000, refillUnits: 1_000_000_000, refillMs: 60_000 },
    { type: 'sliding-window', units: 1_000_000_000, windowMs: 60_000 },
    { type: 'concurrency', slots: 64, per: 'reservation' },
  ],
  maxQueue: 200_000,
}

function configured(): LimiterState {
  const state = createState()
  const tiers = Object.fromEntries(TIERS.map((tier, at) => [tier, { points: 40 - 10 * at, weight: 4 - at }]))
  step(state, { kind: 'configure', atMs: 0, version: 1, resources: { [GPT.id]: GPT }, tiers, clients: {} })
  return state
}

function arrival(nth: number, atMs: number): Reserve {
  return {
    kind: 'reserve',
    atMs,
    id: `request-${nth}#1`,
    clientId: `client-${(nth * 7_919) % CLIENTS}`,
    tier: TIERS[nth % TIERS.length] ?? 'basic',
    maxConcurrent: null,
    urgency: URGENCIES[(nth >> 2) % URGENCIES.length] ?? 'normal',
    demand: [[GPT.id, 100 + (nth % 900)]],
    enqueuedAtMs: atMs,
    waitUntilMs: atMs + 3_600_000,
    leaseMs: LEASE_MS,
  }
}

/** Microseconds of processor time a call, of `count` calls. */
function micros(count: number, call: (nth: number) => void): number {
  const start = process.cpuUsage()
  for (let nth = 0; nth < count; nth += 1) call(nth)
  return process.cpuUsage(start).user / count
}

/** Nanoseconds of one multiplication and addition that wait for the one before: about 1 on a core of its own. */
function nanosPerOperation(): number {
  const count = 50_000_000
  let value = 0
  const operate = (): void => {
    for (let nth = 0; nth < count; nth += 1) value = Math.imul(value, 31) + nth
  }
  operate()
  return (micros(1, operate) * 1_000) / count
}

function measure(waiting: number): Record<string, number | string> {
  const state = configured()
  const running: string[] = []
  let [nth, atMs] = [0, 0]
  function arrive(): void {
    atMs += 1
    for (const effect of step(state, arrival(nth, atMs)))
      if (effect.kind === 'granted') running.push(effect.id)
    nth += 1
  }
  function settle(): void {
    const id = running.shift() ?? ''
    for (const effect of step(state, { kind: 'settle', atMs, id, actual: null })) {
      if (effect.kind === 'granted') running.push(effect.id)
    }
  }
  const arriving = micros(waiting + 64, arrive)
  micros(500, () => {
    settle()
    arrive()
  })
  const decisions = Math.min(DECISIONS_MAX, waiting / 2)
  const granting = micros(decisions, settle)
  const again = micros(decisions, arrive)
  const cancelling = micros(decisions, (at) =>
    step(state, { kind: 'cancel', atMs, id: `request-${nth - 1 - at}#1` }),
  )
  const placing = micros(500, (at) => placement(state, `request-${nth - decisions - 1 - at}#1`, atMs))
  const question = { clientId: 'new', maxConcurrent: null, urgency: 'normal', tier: 'basic' } as const
  const checking = micros(500, () => check(state, { ...question, demand: [[GPT.id, 10]] }, atMs))
  const encoding = micros(1, () => encode(state))
  const text = JSON.stringify(encode(state))
  const restoring = micros(1, () => restore(JSON.parse(text)))
  return {
    waiting: state.reservations.size - running.length,
    'settle + grant': granting.toFixed(2),
    'reserve, filling': arriving.toFixed(2),
    'reserve, full': again.toFixed(2),
    cancel: cancelling.toFixed(2),
    position: placing.toFixed(2),
    check: checking.toFixed(2),
    'encode ms': (encoding / 1_000).toFixed(1),
    'restore ms': (restoring / 1_000).toFixed(1),
    'bytes each': Math.round(text.length / state.reservations.size),
  }
}

/** Prints the table; a first round warms the code up. */
export function limiter(): Promise<void> {
  for (const waiting of SIZES) measure(Math.min(waiting, 2_000))
  console.table(SIZES.map(measure))
  console.log(`the machine: ${nanosPerOperation().toFixed(2)} ns per dependent integer operation`)
  return Promise.resolve()
}
