// Every kind of limit, for the suites that hold for all of them.

import type { Limit } from '../../../domain/limit.ts'

export const WINDOW_MS = 4_000

export const KINDS: Readonly<Record<string, Limit>> = {
  'token-bucket': { type: 'token-bucket', capacity: 100, refillUnits: 7, refillMs: 900 },
  'sliding-window': { type: 'sliding-window', units: 100, windowMs: WINDOW_MS },
  'first-hit-window': { type: 'first-hit-window', units: 100, windowMs: WINDOW_MS },
  'sliding-counter, blind': { type: 'sliding-counter', units: 100, windowMs: WINDOW_MS },
  'sliding-counter, known phase': {
    type: 'sliding-counter',
    units: 100,
    windowMs: WINDOW_MS,
    phaseMs: 1_234,
  },
  'fixed-window': { type: 'fixed-window', units: 100, period: 'minute', timezone: 'UTC' },
  'clock-window': { type: 'clock-window', units: 100, windowMs: WINDOW_MS, phaseMs: 777 },
  'quantized-window, blind': {
    type: 'quantized-window',
    units: 400,
    windowMs: 4 * WINDOW_MS,
    stepMs: WINDOW_MS,
  },
  'quantized-window, known phase': {
    type: 'quantized-window',
    units: 400,
    windowMs: 4 * WINDOW_MS,
    stepMs: WINDOW_MS,
    phaseMs: 55,
  },
  slew: { type: 'slew', units: 100, windowMs: WINDOW_MS, growth: 5_000, growthMs: 12_000 },
  'spend-cap': { type: 'spend-cap', units: 1_000, untilMs: 40_000 },
  adaptive: {
    type: 'adaptive',
    units: 100,
    windowMs: WINDOW_MS,
    floor: 1_000,
    decrease: 9_000,
    increase: 500,
  },
}
