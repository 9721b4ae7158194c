// What units cost: rows of terms per resource and time, and the lines that follow from them.
//
// P1  A request is priced at the prices in force when it was admitted, or when its deferral ends, from its estimate to
//     its last correction.
// P2  A resource without a price is an error, never free; "0" is free.
// P3  A line is rounded once, up, to a whole nano-USD; a sum of lines is exact.
// P4  A part (cached tokens of the input, reasoning of the output, a service tier, an image size) is a resource of its
//     own whose price names its whole: the whole is billed for what no part covers, so that nothing counts twice.
// P5  A part has no parts: of two that name each other both are billed.
// P6  Units that an allowance gives away are told on the line, and billed at nothing.

import { ZERO_USD, costOf, nano, sumUsd, type NanoUsd } from './money.ts'
import { rateAt, type Rate, type Window } from './price-rate.ts'
import type { Demand } from './resource.ts'

export type PriceTerms = Rate & {
  /** Another price at some hours; the first window that holds the moment applies. */
  readonly windows: readonly Window[]
  /** Of the windows and of the allowance's month. */
  readonly timezone: string
  /** Resource whose units the thresholds count; null: the priced one. */
  readonly thresholdsOf: string | null
  /** Added once per line with units. */
  readonly perCallUsd: string
  /** A line with units costs at least this. */
  readonly minimumUsd: string
  /** The resource whose units hold these units too (P4). */
  readonly partOf: string | null
  /** Units free in each calendar month, for all requests together. */
  readonly freePerMonth: number
}

export type Price = PriceTerms & {
  readonly id: number
  readonly resourceId: string
  /** Null: for all clients. A client's own price goes before it. */
  readonly clientId: string | null
  readonly effectiveFromMs: number
  /** Exclusive; null: until another one begins. */
  readonly effectiveToMs: number | null
  /** What one unit is; null: the unit of the resource. */
  readonly unit: string | null
  readonly source: string
  /** Day on which the source was read, such as 2026-11-20. */
  readonly checkedOn: string | null
}

/** What a price says where it says nothing. */
export const PRICE_DEFAULTS = {
  clientId: null,
  effectiveToMs: null,
  unit: null,
  checkedOn: null,
  thresholds: [],
  windows: [],
  timezone: 'UTC',
  thresholdsOf: null,
  perCallUsd: '0',
  minimumUsd: '0',
  partOf: null,
  freePerMonth: 0,
} as const satisfies Partial<Price>

export type Prices = Readonly<Record<string, Price>>

/** What is priced beside its units: when, and what is left of the month's allowances, by resource. */
export type Occasion = {
  readonly atMs: number
  readonly freeUnits: Readonly<Record<string, number>>
}

/** The item of a line that covers the whole attempt: the worker's or the holder's own figure. */
export const WHOLE_COST = '*'

export type CostLine = {
  /** A resource id, or `WHOLE_COST`. */
  readonly item: string
  /** Without those that lines of its parts bill. */
  readonly units: number | null
  /** Of them by an allowance. */
  readonly freeUnits: number
  readonly priceId: number | null
  /** The rate that applied; null where there is no price. */
  readonly perUnitUsd: string | null
  readonly costNanoUsd: NanoUsd
}

export type Priced =
  | { readonly kind: 'priced'; readonly lines: readonly CostLine[]; readonly totalNanoUsd: NanoUsd }
  | { readonly kind: 'unknown-price'; readonly resourceId: string }

/** A line per resource; the first resource without a price where there is one. */
export function priceDemand(demand: Demand, prices: Prices, occasion: Occasion): Priced {
  const missing = demand.find(([resourceId]) => prices[resourceId] === undefined)
  if (missing !== undefined) return { kind: 'unknown-price', resourceId: missing[0] }
  const lines = linesOf(demand, prices, occasion)
  return { kind: 'priced', lines, totalNanoUsd: totalOf(lines) }
}

/** A line per resource, without price and cost where it has none. */
export function linesOf(demand: Demand, prices: Prices, occasion: Occasion): readonly CostLine[] {
  const unitsOf = (id: string) => demand.find(([resourceId]) => resourceId === id)?.[1] ?? 0
  return demand.map(([item, whole]) => {
    const price = prices[item]
    const units = whole - coveredOf(item, demand, prices)
    if (price === undefined) {
      return { item, units, freeUnits: 0, priceId: null, perUnitUsd: null, costNanoUsd: ZERO_USD }
    }
    const perUnitUsd = rateAt(price, unitsOf(price.thresholdsOf ?? item), occasion.atMs)
    const freeUnits = price.freePerMonth === 0 ? 0 : Math.min(units, occasion.freeUnits[item] ?? 0)
    const costNanoUsd = costOfUnits(price, units - freeUnits, perUnitUsd)
    return { item, units, freeUnits, priceId: price.id, perUnitUsd, costNanoUsd }
  })
}

export function wholeCost(costNanoUsd: NanoUsd): CostLine {
  return { item: WHOLE_COST, units: null, freeUnits: 0, priceId: null, perUnitUsd: null, costNanoUsd }
}

export function totalOf(lines: readonly CostLine[]): NanoUsd {
  return sumUsd(lines.map(({ costNanoUsd }) => costNanoUsd))
}

/** Units of `item` that its parts bill (P4): never more than there are, whatever the parts say. */
function coveredOf(item: string, demand: Demand, prices: Prices): number {
  if (prices[item] !== undefined && prices[item].partOf !== null) return 0
  let parts = 0
  let whole = 0
  for (const [id, units] of demand) {
    if (id === item) whole = units
    else if (prices[id]?.partOf === item) parts += units
  }
  return Math.min(parts, whole)
}

function costOfUnits({ perCallUsd, minimumUsd }: PriceTerms, units: number, perUnitUsd: string): NanoUsd {
  if (units === 0) return ZERO_USD
  return nano(Math.max(costOf(units, perUnitUsd, perCallUsd), costOf(1, minimumUsd)))
}
