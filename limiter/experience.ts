// What a resource's past says of the waits to come: how long its slots are held, and what its forecasts left out.
//
// A forecast is of those who wait now. Who comes later with a higher score, and whom the guaranteed share serves out of
// turn, cannot be known one by one; but the same queue makes the same mistake again. So the mistake is learned, by points
// and by length of the forecast, and what is told is corrected by it.
//
// EX1  It changes what is told, never what is granted, refused or when the limiter wakes.
// EX2  A slot is held as long as the last HOLDS_COUNTED leases were on average; slots come free one by one in that time.
// EX3  A stretch follows the quantile 0.4 of real wait over forecast: after every grant a step up where the wait was
//     longer than told, down where it was shorter, in steps of such sizes that they cancel out there; none where it
//     was told well.
// EX4  It is bounded: one stretch for each of BANDS * OCTAVES cells, whatever happens.

import { multiplyDivide, multiplyDivideUp } from '../domain/arithmetic.ts'
import type { SlotMeter } from './limits/meter.ts'

export const HOLDS_COUNTED = 128

const ONE = 10_000
/**
 * Three up for every two down, at the quantile 0.4. Less than the median, because errors are judged by the real wait:
 * too long a forecast can be wrong by many times that, too short a one cannot.
 */
const STEP = { up: 2, down: 3, of: 80 }
/** An error of less than this part of what was told teaches nothing. */
const WELL_TOLD = 16
const STRETCH_MIN = ONE / 10
const STRETCH_MAX = 64 * ONE

/** Forecasts are remembered in quarters of an octave, from 16 ms to more than three days. */
const FIRST_OCTAVE = 4
const OCTAVES = 24
const QUARTERS = 4
/** Points that share a stretch. */
const BAND_POINTS = 10
const BANDS = 11

export type Experience = {
  /** Of the last leases, at most HOLDS_COUNTED, and their number. */
  heldMs: number
  holds: number
  /** By cell; a cell that nothing was learned for stretches nothing. */
  readonly stretches: Map<number, number>
}

export function noExperience(): Experience {
  return { heldMs: 0, holds: 0, stretches: new Map() }
}

/** A lease ended (EX2). */
export function learnHold(experience: Experience, heldMs: number): void {
  if (experience.holds < HOLDS_COUNTED) experience.holds += 1
  else experience.heldMs -= Math.floor(experience.heldMs / HOLDS_COUNTED)
  experience.heldMs += heldMs
}

/** When so many slots are free, counted from `atMs`, as far as leases go on as they did; null where none has ended. */
export function usuallyFreeMs(
  { heldMs, holds }: Experience,
  meter: SlotMeter,
  need: number,
  atMs: number,
): number | null {
  const missing = need - meter.available(atMs)
  if (missing <= 0) return atMs
  if (holds === 0 || meter.size <= 0) return null
  return atMs + multiplyDivideUp(missing, heldMs, holds * meter.size)
}

/** A forecast wait as it is remembered: 0 where it is too short to be worth it. */
export function rememberedOf(waitMs: number): number {
  const ms = Math.min(waitMs, 2 ** (FIRST_OCTAVE + OCTAVES) - 1)
  if (ms < 2 ** FIRST_OCTAVE) return 0
  const octave = 31 - Math.clz32(ms)
  const quarter = Math.floor((ms - 2 ** octave) / 2 ** (octave - 2))
  return 1 + (octave - FIRST_OCTAVE) * QUARTERS + quarter
}

/** The middle of what is remembered as that. */
function recalled(code: number): number {
  const quarter = (code - 1) % QUARTERS
  const octave = (code - 1 - quarter) / QUARTERS + FIRST_OCTAVE
  return 2 ** octave + quarter * 2 ** (octave - 2) + 2 ** (octave - 3)
}

function cellOf(code: number, points: number): number {
  const band = Math.max(0, Math.min(BANDS - 1, Math.floor(points / BAND_POINTS)))
  return band * OCTAVES + Math.floor((code - 1) / QUARTERS)
}

/** The wait to tell where `waitMs` is forecast for somebody with those points. */
export function stretched({ stretches }: Experience, points: number, waitMs: number): number {
  const code = rememberedOf(waitMs)
  if (code === 0) return waitMs
  return multiplyDivide(waitMs, stretches.get(cellOf(code, points)) ?? ONE, 0, ONE).quotient
}

/** Somebody for whom `code` was forecast was granted after `waitedMs` (EX3). */
export function learnWait(
  { stretches }: Experience,
  { code, points, waitedMs }: { readonly code: number; readonly points: number; readonly waitedMs: number },
): void {
  if (code === 0) return
  const cell = cellOf(code, points)
  const stretch = stretches.get(cell) ?? ONE
  // Below 2^48: the longest that is remembered, and STRETCH_MAX.
  const toldMs = Math.floor((recalled(code) * stretch) / ONE)
  if (Math.abs(waitedMs - toldMs) * WELL_TOLD < toldMs) return
  const after =
    waitedMs > toldMs
      ? stretch + Math.ceil((stretch * STEP.up) / STEP.of)
      : stretch - Math.ceil((stretch * STEP.down) / STEP.of)
  stretches.set(cell, Math.max(STRETCH_MIN, Math.min(STRETCH_MAX, after)))
}

/** Plain form. */
export type ExperienceTuple = readonly [
  heldMs: number,
  holds: number,
  stretches: readonly (readonly [cell: number, stretch: number])[],
]

/** Null where nothing was learned. */
export function encodeExperience({ heldMs, holds, stretches }: Experience): ExperienceTuple | null {
  if (holds === 0 && stretches.size === 0) return null
  return [heldMs, holds, [...stretches].sort(([a], [b]) => a - b)]
}

export function decodeExperience([heldMs, holds, stretches]: ExperienceTuple): Experience {
  return { heldMs, holds, stretches: new Map(stretches) }
}
