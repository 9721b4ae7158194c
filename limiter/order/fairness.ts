// Fairness between clients: 0 to 10 points, the fewer the more a client was served of late.
//
// Y1  Use is counted in cost: microseconds of the scarcest resource's whole rate that a demand takes.
// Y2  Use halves every 10 minutes, worked out per epoch of a minute from an integer table; looking never changes it.
// Y3  A client that steadily takes a tenth of a resource has no points left; one that took nothing has all.

import { FAIRNESS_POINTS_MAX } from '../../domain/priority.ts'
import type { Demand } from '../../domain/resource.ts'
import { multiplyDivideUp } from '../../domain/arithmetic.ts'
import { countsUnits, type Limit } from '../../domain/limit.ts'
import { rateOf } from '../../domain/rate.ts'

export const EPOCH_MS = 60_000
const EPOCHS_PER_HALF_LIFE = 10
/** 2^(-k/10) in 65,536ths. */
const DECAY = [65_536, 61_147, 57_052, 53_232, 49_667, 46_341, 43_238, 40_342, 37_641, 35_120]
const DECAY_ONE = 65_536

/** A tenth of what a client would have who takes everything for ever: 0.1 * 10 min / ln 2, in microseconds. */
const NO_POINTS_COST = 86_561_702
/** So that products with `DECAY_ONE` stay safe integers; more than a day of a whole resource. */
const COST_MAX = 100_000_000_000
/** A slot has no rate: it is taken to be held this long. */
const SLOT_HOLD_MS = 60_000

/** What a client was served: `cost` as of the epoch. */
export type Served = { readonly cost: number; readonly epoch: number }

export const NOTHING_SERVED: Served = { cost: 0, epoch: 0 }

export function epochOf(atMs: number): number {
  return Math.floor(atMs / EPOCH_MS)
}

/** What is left of it at an epoch (Y2). */
export function servedAt({ cost, epoch }: Served, atEpoch: number): number {
  const epochs = Math.max(0, atEpoch - epoch)
  const halvings = Math.floor(epochs / EPOCHS_PER_HALF_LIFE)
  if (cost === 0 || halvings > 40) return 0
  const factor = DECAY[epochs % EPOCHS_PER_HALF_LIFE] ?? DECAY_ONE
  return Math.floor(Math.floor((cost * factor) / DECAY_ONE) / 2 ** halvings)
}

/** Adds what was served (or, negative, takes back what was not used after all). */
export function serve(served: Served, cost: number, atEpoch: number): Served {
  const total = servedAt(served, atEpoch) + cost
  return { cost: Math.min(COST_MAX, Math.max(0, total)), epoch: atEpoch }
}

export function fairnessPoints(served: Served, atEpoch: number): number {
  const lost = Math.floor((servedAt(served, atEpoch) * FAIRNESS_POINTS_MAX) / NO_POINTS_COST)
  return Math.max(0, FAIRNESS_POINTS_MAX - lost)
}

/** How fast a limit lets through what it counts: units, or reservations as one each. */
export type Pace = { readonly countsUnits: boolean; readonly whole: number; readonly perUs: number }

/** Of the limits that have a rate; a slot passes on every SLOT_HOLD_MS. */
export function pacesOf(limits: readonly Limit[]): readonly Pace[] {
  return limits.flatMap((limit) => {
    const slots = limit.type === 'concurrency' ? { units: limit.slots, perMs: SLOT_HOLD_MS } : null
    const rate = rateOf(limit) ?? slots
    if (rate === null) return []
    return [{ countsUnits: countsUnits(limit), whole: Math.max(1, rate.units), perUs: rate.perMs * 1_000 }]
  })
}

/** Cost of a demand (Y1): the most over its resources; one that is unknown costs nothing. */
export function costOf(
  demand: Demand,
  accounts: ReadonlyMap<string, { readonly paces: readonly Pace[] }>,
): number {
  let cost = 0
  for (const [id, units] of demand) {
    for (const { countsUnits, whole, perUs } of accounts.get(id)?.paces ?? []) {
      cost = Math.max(cost, multiplyDivideUp(countsUnits ? units : 1, perUs, whole))
    }
  }
  return Math.min(cost, COST_MAX)
}
