// Settlement: what attempts used, as cost lines and as charges of the budgets that were held.
//
// S1  What is reported is booked as it is, explicit zero included; an answer without a report used nothing.
// S2  Unknown use is booked at the worst case, as assumed, when the request ends; a later report corrects it.
// S3  Use is charged to every budget that was held, in the period of the hold, whatever that does to the budget.
// S4  Holds are given back whole, in the step that books the use.

import { USD_UNIT, chargedOf, surchargeOf, type Balance, type Budget } from './budget.ts'
import { ZERO_USD, subtractUsd, type NanoUsd } from './money.ts'
import {
  linesOf,
  priceDemand,
  totalOf,
  wholeCost,
  type CostLine,
  type Occasion,
  type Prices,
} from './price.ts'
import type { Use } from './report.ts'
import { toDemand, type Demand } from './resource.ts'

export type Attempt = { readonly attempt: number; readonly generation: number; readonly use: Use }

export type BookingKind = 'use' | 'assumed' | 'correction'

export type Booking = {
  readonly attempt: number
  readonly kind: BookingKind
  readonly units: Demand
  readonly lines: readonly CostLine[]
  readonly costNanoUsd: NanoUsd
}

/** What was reserved and held: the worst case of an attempt whose use is unknown. */
export type Reserved = {
  readonly demand: Demand
  readonly costNanoUsd: NanoUsd
  readonly prices: Prices
  readonly occasion: Occasion
}

/** The bookings of several attempts: what an allowance gives one of them, the next ones have no more. */
export function bookingsOf(
  attempts: readonly Pick<Attempt, 'attempt' | 'use'>[],
  reserved: Reserved,
): readonly Booking[] {
  const freeUnits = { ...reserved.occasion.freeUnits }
  return attempts.map((one) => {
    const occasion = { ...reserved.occasion, freeUnits: { ...freeUnits } }
    const booking = bookingOf(one, { ...reserved, occasion })
    for (const line of booking.lines) {
      if (line.freeUnits > 0) freeUnits[line.item] = (freeUnits[line.item] ?? 0) - line.freeUnits
    }
    return booking
  })
}

/** The booking of one attempt (S1, S2). */
export function bookingOf({ attempt, use }: Pick<Attempt, 'attempt' | 'use'>, reserved: Reserved): Booking {
  switch (use.kind) {
    case 'none':
      return { attempt, kind: 'use', units: [], lines: [], costNanoUsd: ZERO_USD }
    case 'unknown': {
      const lines = linesOfReserved(reserved)
      return { attempt, kind: 'assumed', units: reserved.demand, lines, costNanoUsd: totalOf(lines) }
    }
    case 'reported': {
      const units = toDemand(use.consumed)
      const { kind, lines } = linesOfReport(units, use.costNanoUsd, reserved)
      return { attempt, kind, units, lines, costNanoUsd: totalOf(lines) }
    }
    default:
      return use satisfies never
  }
}

/** What a late report changes of a booking, line by line. */
export function correctionOf(before: Booking, after: Booking): Booking {
  const items = [...new Set([...before.lines, ...after.lines].map(({ item }) => item))].sort()
  const lines = items.map((item): CostLine => {
    const old = before.lines.find((line) => line.item === item)
    const now = after.lines.find((line) => line.item === item)
    const units = old?.units === null || now?.units === null ? null : (now?.units ?? 0) - (old?.units ?? 0)
    const { priceId = null, perUnitUsd = null } = now ?? old ?? {}
    const freeUnits = (now?.freeUnits ?? 0) - (old?.freeUnits ?? 0)
    const costNanoUsd = subtractUsd(now?.costNanoUsd ?? ZERO_USD, old?.costNanoUsd ?? ZERO_USD)
    return { item, units, freeUnits, priceId, perUnitUsd, costNanoUsd }
  })
  const negated = before.units.map(([id, units]) => [id, -units] as const)
  return {
    attempt: before.attempt,
    kind: 'correction',
    units: sumUnits([negated, after.units]),
    lines,
    costNanoUsd: subtractUsd(after.costNanoUsd, before.costNanoUsd),
  }
}

/** Units of several bookings together, sorted by resource id. */
export function sumUnits(demands: readonly Demand[]): Demand {
  const sum: Record<string, number> = {}
  for (const [id, units] of demands.flat()) sum[id] = (sum[id] ?? 0) + units
  return toDemand(sum)
}

/** A hold of one request as it is charged. `key` names its budget's period. */
export type ChargedHold = {
  readonly key: string
  readonly budget: Budget
  /** 0 once it was given back. */
  readonly open: number
}

export type Charge = {
  readonly key: string
  readonly attempt: number
  readonly kind: BookingKind | 'release'
  readonly held: number
  readonly used: number
  readonly surcharge: number
}

export const NO_ATTEMPT = 0

/** Charges every hold with every booking, then gives it back (S3, S4). `balances` by key is not changed. */
export function charge(
  holds: readonly ChargedHold[],
  bookings: readonly Booking[],
  balances: Readonly<Record<string, Balance>>,
): readonly Charge[] {
  const charges: Charge[] = []
  for (const { key, budget, open } of holds) {
    let balance = balances[key]
    if (balance === undefined) throw new Error(`no balance of ${key}`)
    for (const { attempt, kind, units, costNanoUsd } of bookings) {
      const used =
        budget.unit === USD_UNIT ? costNanoUsd : (units.find(([id]) => id === budget.unit)?.[1] ?? 0)
      if (used === 0) continue
      const surcharge = surchargeOf(budget, balance, used)
      balance = { ...balance, used: balance.used + used, surcharge: balance.surcharge + surcharge }
      charges.push({ key, attempt, kind, held: 0, used, surcharge })
    }
    if (open > 0) {
      charges.push({ key, attempt: NO_ATTEMPT, kind: 'release', held: -open, used: 0, surcharge: 0 })
    }
  }
  return charges
}

/** A balance after a charge; the first charge above the amount is remembered. */
export function charged(
  balance: Balance,
  { held, used, surcharge }: Charge,
  amount: number,
  atMs: number,
): Balance {
  const after = {
    ...balance,
    held: balance.held + held,
    used: balance.used + used,
    surcharge: balance.surcharge + surcharge,
  }
  const crossedAtMs = balance.crossedAtMs ?? (chargedOf(after) > amount ? atMs : null)
  return { ...after, crossedAtMs }
}

/**
 * By resource where the prices give the very cost that was held, else one line with what the holder said. An allowance
 * gives nothing to what is only assumed.
 */
function linesOfReserved({ demand, costNanoUsd, prices, occasion }: Reserved): readonly CostLine[] {
  const priced = priceDemand(demand, prices, { ...occasion, freeUnits: {} })
  if (priced.kind === 'priced' && priced.totalNanoUsd === costNanoUsd) return priced.lines
  return [wholeCost(costNanoUsd)]
}

type ReportLines = { readonly kind: 'use' | 'assumed'; readonly lines: readonly CostLine[] }

function linesOfReport(units: Demand, cost: NanoUsd | null, reserved: Reserved): ReportLines {
  if (cost !== null) return { kind: 'use', lines: [wholeCost(cost)] }
  const { prices, occasion } = reserved
  const used = units.filter(([, count]) => count !== 0)
  const isPriced = (demand: Demand) => demand.every(([id]) => prices[id] !== undefined)
  // A holder that brought its own cost needs no prices; without a figure of what it used, it costs what was held.
  if (!isPriced(used) && !isPriced(reserved.demand)) {
    return { kind: 'assumed', lines: [wholeCost(reserved.costNanoUsd)] }
  }
  // Where a worker used what nobody reserved and nobody priced, it is shown with its units, and no price.
  return { kind: 'use', lines: linesOf(used, prices, occasion) }
}
