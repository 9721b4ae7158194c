// A budget: an amount of USD, or of any resource's unit, that a scope may use in a period.
//
// B1  A hard budget never goes over by a hold: a hold fits what remains, or is not taken.
// B2  A soft budget goes over until its grace ends: use above `amount` counts `overageMultiplier` times, and what
//     was charged stays within `amount + overageMax`, as long as nobody uses more than was held.
// B3  Use is recorded as it is, also beyond the hold: a budget goes negative rather than losing it.
// B4  The surcharge is a function of the use alone, so one booking equals two part bookings.
// B5  A reset is nothing that runs: each period has its own balance, and use stays in the period of its hold.
// B6  A rolling budget has one period. Of its use, that of the slices in the window counts; open holds count however
//     old they are. Use belongs to the slice in which its request was admitted, as it belongs to the period of its hold.
// B7  The surcharge of a rolling budget is not booked: it is that of the use that counts, and leaves with it. Once that
//     use is back within the amount, the next crossing has a grace of its own.

import { periodEnd, periodStart, sliceLeaves, sliceStart } from './calendar.ts'
import { decimalUnits } from './money.ts'

export const BUDGET_PERIODS = ['minute', 'hour', 'day', 'month', 'total', 'rolling'] as const
export type BudgetPeriod = (typeof BUDGET_PERIODS)[number]

export const USD_UNIT = 'USD'

/** Hard budgets never go over; soft ones do, for a grace period, at a multiplier, up to a maximum. */
export type Enforcement =
  | { readonly enforcement: 'hard' }
  | {
      readonly enforcement: 'soft'
      readonly graceMs: number
      /** Decimal string of at most 3 decimals, at least 1. */
      readonly overageMultiplier: string
      /** In the budget's own unit: nano-USD, or units of the resource. */
      readonly overageMax: number
    }

export type Budget = {
  /** Path of the scope, `global` for the root. */
  readonly scope: string
  /** `USD` or a resource id. */
  readonly unit: string
  /** Nano-USD where the unit is USD, else units of the resource. */
  readonly amount: number
  readonly period: BudgetPeriod
  readonly timezone: string
  /** Length of a rolling budget's window; left out: the period is not `rolling`. */
  readonly windowMs?: number
  /** Left out: the budget is no part of another one. */
  readonly carved?: Carved
  /** Whole percents of the amount that are told when they are used; left out: the default ones. */
  readonly thresholds?: readonly number[]
} & Enforcement

/** Where a carve-out comes from. Each giving begins a new balance, so that a scope may be ended and given again. */
export type Carved = { readonly fromScope: string; readonly givenAtMs: number }

/** What a period of a budget holds, in the budget's unit. */
export type Balance = {
  readonly held: number
  readonly used: number
  /** What soft use above the amount costs on top. */
  readonly surcharge: number
  /** When the charge went above the amount: for the first time, or of a rolling budget the last one. */
  readonly crossedAtMs: number | null
  /** What was carved out of other budgets for this one, 0 once its scope has ended; null: it is no carve-out. */
  readonly carved: number | null
  /** The highest threshold that was told, in percent. */
  readonly toldPercent: number
  /** When the first one of them was told; null: none was. */
  readonly toldAtMs: number | null
}

export const EMPTY_BALANCE: Balance = {
  held: 0,
  used: 0,
  surcharge: 0,
  crossedAtMs: null,
  carved: null,
  toldPercent: 0,
  toldAtMs: null,
}

export type Span = { readonly startMs: number; readonly endMs: number | null }

/** Decimals of `overageMultiplier`. */
export const OVERAGE_DECIMALS = 3
const MULTIPLIER_ONE = 1_000n

/**
 * The period that holds `atMs`; `total` is one without end, a carve-out's is its life. A rolling budget has one; its
 * end is when what is taken at `atMs` has left the window.
 */
export function spanOf(
  { period, timezone, windowMs = 0, carved }: Pick<Budget, 'period' | 'timezone' | 'windowMs' | 'carved'>,
  atMs: number,
): Span {
  if (carved !== undefined) return { startMs: carved.givenAtMs, endMs: null }
  if (period === 'total') return { startMs: 0, endMs: null }
  if (period === 'rolling') {
    return { startMs: 0, endMs: sliceLeaves(windowMs, sliceStart(windowMs, atMs)) }
  }
  const calendar = { period, timezone }
  return { startMs: periodStart(calendar, atMs), endMs: periodEnd(calendar, atMs) }
}

/** Use with its surcharge: `used` of the wire. */
export function chargedOf({ used, surcharge }: Pick<Balance, 'used' | 'surcharge'>): number {
  return used + surcharge
}

/** What the balance is measured against: a carve-out is worth what was carved, which is read with its balance. */
export function sizeOf({ amount }: Pick<Budget, 'amount'>, { carved }: Pick<Balance, 'carved'>): number {
  return carved ?? amount
}

/** `amount - used - held`; negative where more was used than there is. */
export function remainingOf(budget: Pick<Budget, 'amount'>, balance: Balance): number {
  return sizeOf(budget, balance) - chargedOf(balance) - balance.held
}

/** The balance of a rolling budget whose `used` is what counts now (B7); any other is what it is. */
export function measured(budget: Budget, balance: Balance): Balance {
  if (budget.period !== 'rolling') return balance
  const unitsOver = Math.max(0, balance.used - budget.amount)
  const crossedAtMs = unitsOver === 0 ? null : balance.crossedAtMs
  return { ...balance, surcharge: surchargeOn(budget, unitsOver), crossedAtMs }
}

export type HoldTaken =
  | { readonly kind: 'held'; readonly amount: number }
  | { readonly kind: 'exceeded'; readonly needed: number; readonly remaining: number }

/** What a hold of `units` takes of the budget, or why it does not fit; of a rolling one as it is `measured`. Nothing is needed for 0 units. */
export function holdOf(budget: Budget, balance: Balance, units: number, atMs: number): HoldTaken {
  const remaining = remainingOf(budget, balance)
  const over = Math.min(units, Math.max(0, units - remaining))
  const needed = units + surchargeOn(budget, over)
  const allowed = remaining + overageLeft(budget, balance, atMs)
  if (units === 0 || needed <= allowed) return { kind: 'held', amount: needed }
  return { kind: 'exceeded', needed, remaining }
}

/** What `units` more (or less, where negative) change of the surcharge that is booked (B4, B7). */
export function surchargeOf(budget: Budget, balance: Balance, units: number): number {
  if (budget.period === 'rolling') return 0
  const before = surchargeOn(budget, Math.max(0, balance.used - budget.amount))
  const after = surchargeOn(budget, Math.max(0, balance.used + units - budget.amount))
  return Math.max(after - before, -balance.surcharge)
}

function overageLeft(budget: Budget, { crossedAtMs }: Balance, atMs: number): number {
  if (budget.enforcement === 'hard') return 0
  const isInGrace = crossedAtMs === null || atMs < crossedAtMs + budget.graceMs
  return isInGrace ? budget.overageMax : 0
}

/** Rounded up. */
function surchargeOn(budget: Budget, unitsOver: number): number {
  if (budget.enforcement === 'hard' || unitsOver === 0) return 0
  const multiplier = decimalUnits(budget.overageMultiplier, OVERAGE_DECIMALS)
  const thousandths = BigInt(unitsOver) * (multiplier - MULTIPLIER_ONE)
  return Number((thousandths + MULTIPLIER_ONE - 1n) / MULTIPLIER_ONE)
}
