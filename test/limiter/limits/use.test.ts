// How much of a limit is used under backlog when nothing is refused: 600 a minute, calls of one unit, delays to 200 ms.

import { expect, test } from 'vitest'
import type { Limit } from '../../../domain/limit.ts'
import { openMeter } from '../../../limiter/limits/open.ts'
import * as p from './providers.ts'

const LIMIT = 600
const MINUTE = 60_000
const JITTER_MS = 200
const MINUTES = 10

type Row = { readonly limit: Limit; readonly provider: p.Provider; readonly atLeast: number }

const TABLE: Readonly<Record<string, Row>> = {
  'token bucket: all of it': {
    limit: { type: 'token-bucket', capacity: 10, refillUnits: LIMIT, refillMs: MINUTE },
    provider: p.bucketProvider(10, LIMIT, MINUTE),
    atLeast: 0.999,
  },
  'sliding log: W / (W + J)': {
    limit: { type: 'sliding-window', units: LIMIT, windowMs: MINUTE },
    provider: p.logProvider(LIMIT, MINUTE),
    atLeast: 0.996,
  },
  'fixed window of unknown phase, mirrored by a sliding log': {
    limit: { type: 'sliding-window', units: LIMIT, windowMs: MINUTE },
    provider: p.windowProvider(LIMIT, MINUTE, 41_017),
    atLeast: 0.996,
  },
  'first-hit window: W / (W + J)': {
    limit: { type: 'first-hit-window', units: LIMIT, windowMs: MINUTE },
    provider: p.firstHitProvider(LIMIT, MINUTE),
    atLeast: 0.996,
  },
  'sliding counter of unknown phase': {
    limit: { type: 'sliding-counter', units: LIMIT, windowMs: MINUTE },
    provider: p.counterProvider(LIMIT, MINUTE, 41_017),
    atLeast: 0.99,
  },
  'sliding counter of known phase': {
    limit: { type: 'sliding-counter', units: LIMIT, windowMs: MINUTE, phaseMs: 41_017 },
    provider: p.counterProvider(LIMIT, MINUTE, 41_017),
    atLeast: 0.99,
  },
  'fixed window of the calendar: all of it': {
    limit: { type: 'fixed-window', units: LIMIT, period: 'minute', timezone: 'UTC' },
    provider: p.windowProvider(LIMIT, MINUTE, 0),
    atLeast: 0.999,
  },
  'window of the clock: all of it': {
    limit: { type: 'clock-window', units: LIMIT, windowMs: MINUTE, phaseMs: 17 },
    provider: p.windowProvider(LIMIT, MINUTE, 17),
    atLeast: 0.999,
  },
  'steps of a second, known phase: all of it': {
    limit: { type: 'quantized-window', units: LIMIT, windowMs: MINUTE, stepMs: 1_000, phaseMs: 17 },
    provider: p.windowProvider(LIMIT / 60, 1_000, 17),
    atLeast: 0.999,
  },
  'steps of a second, unknown phase: w / (w + J)': {
    limit: { type: 'quantized-window', units: LIMIT, windowMs: MINUTE, stepMs: 1_000 },
    provider: p.windowProvider(LIMIT / 60, 1_000, 613),
    atLeast: 0.83,
  },
}

test.for(Object.entries(TABLE))('L1 %s', ([, { limit, provider, atLeast }]) => {
  const meter = openMeter({ limit, jitterMs: JITTER_MS, kept: [], atMs: 0 })
  if (meter.kind !== 'rate') throw new Error('a limit of slots')
  const calls: p.Call[] = []
  let seed = 11
  for (let atMs = 0; atMs < (MINUTES + 2) * MINUTE; atMs = meter.earliest(1, atMs) ?? Infinity) {
    const units = Math.min(1, meter.available(atMs))
    if (units < 1) continue
    meter.charge(1, atMs)
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
    calls.push({ atMs: atMs + (seed % (JITTER_MS + 1)), units: 1 })
  }
  const refused = calls.sort((a, b) => a.atMs - b.atMs).filter((call) => !provider(call))
  expect(refused).toEqual([])
  const served = calls.filter(({ atMs }) => atMs >= 2 * MINUTE && atMs < (MINUTES + 2) * MINUTE)
  expect(served.length / (MINUTES * LIMIT)).toBeGreaterThanOrEqual(atLeast)
})
