// What units cost: one price per resource and time.
//
// P1  A request is priced at the prices in force when it was admitted, from its estimate to its last correction.
// P2  A resource without a price is an error, never free; "0" is free.
// P3  A line is rounded once, up, to a whole nano-USD; a sum of lines is exact.

import { costOf, sumUsd, type NanoUsd } from './money.ts'
import type { Demand } from './resource.ts'

export type Price = {
  readonly id: number
  readonly resourceId: string
  readonly effectiveFromMs: number
  /** Decimal string of at most 15 decimals. */
  readonly perUnitUsd: string
  readonly source: string
}

export type Prices = Readonly<Record<string, Price>>

/** The item of a line that covers the whole attempt: the worker's or the holder's own figure. */
export const WHOLE_COST = '*'

export type CostLine = {
  /** A resource id, or `WHOLE_COST`. */
  readonly item: string
  readonly units: number | null
  readonly priceId: number | null
  readonly costNanoUsd: NanoUsd
}

export type Priced =
  | { readonly kind: 'priced'; readonly lines: readonly CostLine[]; readonly totalNanoUsd: NanoUsd }
  | { readonly kind: 'unknown-price'; readonly resourceId: string }

/** Price times units, a line per resource; the first resource without a price where there is one. */
export function priceDemand(demand: Demand, prices: Prices): Priced {
  const lines: CostLine[] = []
  for (const [resourceId, units] of demand) {
    const price = prices[resourceId]
    if (price === undefined) return { kind: 'unknown-price', resourceId }
    lines.push({ item: resourceId, units, priceId: price.id, costNanoUsd: costOf(units, price.perUnitUsd) })
  }
  return { kind: 'priced', lines, totalNanoUsd: totalOf(lines) }
}

export function wholeCost(costNanoUsd: NanoUsd): CostLine {
  return { item: WHOLE_COST, units: null, priceId: null, costNanoUsd }
}

export function totalOf(lines: readonly CostLine[]): NanoUsd {
  return sumUsd(lines.map(({ costNanoUsd }) => costNanoUsd))
}
