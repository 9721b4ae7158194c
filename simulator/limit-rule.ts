// The kinds of limit that providers enforce, as data. Each limits one dimension of a call's cost: `requests`, `tokens`,
// `emails`, `calls` in flight, ...
//
// token-bucket       at most `capacity` at once, refilled continuously
// sliding-window     a log: at most `units` in any `windowMs`; 86,400,000 is the rolling day
// sliding-counter    two windows of the clock, the former weighted by the part of it that is still in sight
// fixed-window       at most `units` per period of the calendar
// clock-window       at most `units` per `windowMs` of the clock, shifted by `phaseMs`
// first-hit-window   at most `units` in the `windowMs` that the first call after the last window begins
// quantised          `units` per `windowMs` enforced as their share in every `quantumMs`
// concurrency        at most `slots` in flight; freed by the answer, and at once where the caller goes (`release`)
// slew               what is above `units` per `windowMs` may grow by `growthPercent` from one `periodMs` to the next
// spend-cap          at most `units` until `untilMs`, and no limit from then on; nobody is told when
// queue-then-expire  everything is accepted, sent at the rate, and fails where it has not begun within `ttlMs`
// hidden-adaptive    a sliding window that is told to nobody, and whose size follows a schedule

import { z } from 'zod'

const dimension = z.string().min(1).max(128)
const units = z.int().min(1)
const ms = z.int().min(1)
const phaseMs = z.int().min(0).default(0)
const SCHEDULE_MAX = 1_000

const schedule = z
  .array(z.strictObject({ afterMs: z.int().min(0), units }))
  .min(1)
  .max(SCHEDULE_MAX)
  .refine(
    (steps) =>
      steps[0]?.afterMs === 0 &&
      steps.every((step, at) => at === 0 || step.afterMs > (steps[at - 1]?.afterMs ?? 0)),
    'expected rising times from 0 on',
  )

export const limitSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('token-bucket'),
    dimension,
    capacity: units,
    refillUnits: units,
    refillMs: ms,
  }),
  z.strictObject({ type: z.literal('sliding-window'), dimension, units, windowMs: ms }),
  z.strictObject({ type: z.literal('sliding-counter'), dimension, units, windowMs: ms, phaseMs }),
  z
    .strictObject({
      type: z.literal('fixed-window'),
      dimension,
      units,
      period: z.enum(['minute', 'hour', 'day', 'month']),
      timezone: z.string().refine(isTimezone, 'expected an IANA time zone').default('UTC'),
    })
    .refine(
      ({ period, timezone }) => timezone === 'UTC' || period === 'day' || period === 'month',
      'minutes and hours are aligned to UTC',
    ),
  z.strictObject({ type: z.literal('clock-window'), dimension, units, windowMs: ms, phaseMs }),
  z.strictObject({ type: z.literal('first-hit-window'), dimension, units, windowMs: ms }),
  z
    .strictObject({ type: z.literal('quantised'), dimension, units, windowMs: ms, quantumMs: ms, phaseMs })
    .refine(({ windowMs, quantumMs }) => quantumMs <= windowMs, 'expected a quantum within the window'),
  z.strictObject({
    type: z.literal('concurrency'),
    dimension,
    slots: units,
    /** Left out: `disconnect`. */
    release: z.enum(['disconnect', 'response']).optional(),
  }),
  z.strictObject({
    type: z.literal('slew'),
    dimension,
    units,
    windowMs: ms.default(60_000),
    growthPercent: z.int().min(0).default(50),
    periodMs: ms.default(900_000),
  }),
  z.strictObject({ type: z.literal('spend-cap'), dimension, units, untilMs: z.int().min(0) }),
  z.strictObject({
    type: z.literal('queue-then-expire'),
    dimension,
    refillUnits: units,
    refillMs: ms,
    ttlMs: ms,
  }),
  z.strictObject({ type: z.literal('hidden-adaptive'), dimension, windowMs: ms, schedule }),
])

export type LimitRule = z.infer<typeof limitSchema>
export type LimitOf<T extends LimitRule['type']> = Extract<LimitRule, { type: T }>

/** What a limit lets through at most: capacity, units of a window, or slots; for one that changes, its standard. */
export function sizeOf(rule: LimitRule): number {
  switch (rule.type) {
    case 'token-bucket':
      return rule.capacity
    case 'sliding-window':
    case 'sliding-counter':
    case 'fixed-window':
    case 'clock-window':
    case 'first-hit-window':
    case 'slew':
    case 'spend-cap':
      return rule.units
    case 'quantised':
      return shareOf(rule)
    case 'concurrency':
      return rule.slots
    case 'queue-then-expire':
      return UNBOUNDED
    case 'hidden-adaptive':
      return rule.schedule[0]?.units ?? 0
    default:
      return rule satisfies never
  }
}

/** Who accepts everything has no size; this many units nobody sends. */
export const UNBOUNDED = 1_000_000_000_000

/** What one quantum admits: its part of the window's units, at least one. */
export function shareOf({ units, windowMs, quantumMs }: LimitOf<'quantised'>): number {
  return Math.max(1, Number((BigInt(units) * BigInt(quantumMs)) / BigInt(windowMs)))
}

/** How many microseconds a queue needs to send `units`, rounded up. */
export function sendingUs({ refillUnits, refillMs }: LimitOf<'queue-then-expire'>, units: number): number {
  const perUnit = BigInt(refillMs) * 1_000n
  return Number((BigInt(units) * perUnit + BigInt(refillUnits) - 1n) / BigInt(refillUnits))
}

function isTimezone(text: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: text }).resolvedOptions().timeZone !== ''
  } catch {
    return false
  }
}
