// Settlement: what attempts used, as cost lines and as charges of the budgets that were held.
//
// S1  What is reported is booked as it is, explicit zero included; an answer without a report used nothing.
// S2  Unknown use is booked at the worst case, as assumed, when the request ends; a later report corrects it.
// S3  Use is charged to every budget that was held, in the period of the hold, whatever that does to the budget.
// S4  Holds are given back whole, in the step that books the use.
// S5  Use is drawn from a budget's own amount and from its credits as credit.ts says; a surcharge is the own amount's.

import {
  USD_UNIT,
  chargedOf,
  measured,
  remainingOf,
  surchargeOf,
  type Balance,
  type Budget,
} from './budget.ts'
import { withBalance, type Above, type Balances } from './carve-out.ts'
import { afterDraw, burnOrder, drawUse, isAlive, type Credit, type Source } from './credit.ts'
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
  /** As it is now, with what raises it. */
  readonly budget: Budget
  /** 0 once it was given back. */
  readonly open: number
  /** Null: on the budget's own amount. */
  readonly credit: ChargedCredit | null
  /** Of a rolling budget, what was used then has left the window; left out: it has not. */
  readonly hasLeft?: boolean
}

export type ChargedCredit = Credit & {
  /** Names the period of the budget whose credit it is. */
  readonly ofKey: string
  /** What this request has used of it so far. */
  readonly drawn: number
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

type Bill = {
  readonly holds: readonly ChargedHold[]
  readonly bookings: readonly Booking[]
  /** By key, those of rolling budgets as they are `measured`; not changed. */
  readonly balances: Balances
  readonly atMs: number
}

/** Charges every hold with every booking, then gives it back (S3, S4, S5). */
export function charge({ holds, bookings, balances, atMs }: Bill): readonly Charge[] {
  const charges: Charge[] = []
  for (const { key, budget, open } of holds.filter(({ credit }) => credit === null)) {
    let balance = balanceOf(balances, key)
    const credits = creditsOf(holds, key)
    let own: Source = { key, held: open, drawn: 0, free: remainingOf(budget, balance) }
    let sources = credits.map((hold) => sourceOf(hold, balances, atMs))
    for (const { attempt, kind, units, costNanoUsd } of bookings) {
      const needed =
        budget.unit === USD_UNIT ? costNanoUsd : (units.find(([id]) => id === budget.unit)?.[1] ?? 0)
      for (const { key: from, units: used } of drawUse(own, sources, needed)) {
        const surcharge = from === key ? surchargeOf(budget, balance, used) : 0
        charges.push({ key: from, attempt, kind, held: 0, used, surcharge })
        sources = sources.map((source) => (source.key === from ? afterDraw(source, used) : source))
        if (from !== key) continue
        own = afterDraw(own, used)
        balance = { ...balance, used: balance.used + used, surcharge: balance.surcharge + surcharge }
      }
    }
    charges.push(...[{ key, open }, ...credits].flatMap(givenBack))
  }
  return charges
}

function balanceOf(balances: Balances, key: string): Balance {
  const balance = balances[key]
  if (balance === undefined) throw new Error(`no balance of ${key}`)
  return balance
}

type CreditHold = Pick<ChargedHold, 'key' | 'open'> & { readonly credit: ChargedCredit }

/** In burn order. */
function creditsOf(holds: readonly ChargedHold[], ofKey: string): readonly CreditHold[] {
  return holds
    .flatMap(({ key, open, credit }) => (credit?.ofKey === ofKey ? [{ key, open, credit }] : []))
    .sort((a, b) => burnOrder(a.credit, b.credit))
}

function sourceOf({ key, open, credit }: CreditHold, balances: Balances, atMs: number): Source {
  const free = isAlive(credit, atMs) ? remainingOf(credit, balanceOf(balances, key)) : 0
  return { key, held: open, drawn: credit.drawn, free }
}

function givenBack({ key, open }: Pick<ChargedHold, 'key' | 'open'>): readonly Charge[] {
  if (open === 0) return []
  return [{ key, attempt: NO_ATTEMPT, kind: 'release', held: -open, used: 0, surcharge: 0 }]
}

export type Bills<H extends ChargedHold> = {
  readonly requests: readonly { readonly holds: readonly H[]; readonly bookings: readonly Booking[] }[]
  readonly balances: Balances
  readonly above: Above
  readonly atMs: number
}

export type Charged<H extends ChargedHold> = {
  /** In the order of the requests. */
  readonly charges: readonly (readonly { readonly hold: H; readonly charge: Charge }[])[]
  readonly balances: Balances
}

/** Charges the holds of several requests, one after the other; what is kept for carve-outs follows. */
export function chargeInTurn<H extends ChargedHold>({
  requests,
  balances,
  above,
  atMs,
}: Bills<H>): Charged<H> {
  let next = balances
  const charges = requests.map(({ holds, bookings }) => {
    const holdOf = new Map(holds.map((hold) => [hold.key, hold]))
    return charge({ holds, bookings, balances: next, atMs }).map((one) => {
      const hold = holdOf.get(one.key)
      if (hold === undefined) throw new Error(`no hold of ${one.key}`)
      const after = charged(balanceOf(next, one.key), one, hold, atMs)
      next = withBalance(next, above, one.key, after)
      return { hold, charge: one }
    })
  })
  return { charges, balances: next }
}

/** A balance after a charge; the charge that goes above the amount is remembered. */
function charged(
  balance: Balance,
  { held, used, surcharge }: Charge,
  { budget, hasLeft = false }: ChargedHold,
  atMs: number,
): Balance {
  const after = measured(budget, {
    ...balance,
    held: balance.held + held,
    used: balance.used + (hasLeft ? 0 : used),
    surcharge: balance.surcharge + surcharge,
  })
  const crossedAtMs = after.crossedAtMs ?? (chargedOf(after) > budget.amount ? atMs : null)
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
