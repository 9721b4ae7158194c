// What a request cost, line by line, with the price of each.

import type { NanoUsd } from '../../domain/money.ts'
import type { BookingKind } from '../../domain/settlement.ts'
import type { Queries } from './database.ts'

export type CostLineRecord = {
  readonly attempt: number
  readonly kind: BookingKind
  /** A resource id, or `*` for the whole attempt: the worker's or the holder's own figure. */
  readonly item: string
  readonly units: number | null
  readonly costNanoUsd: NanoUsd
  readonly priceId: number | null
  /** Of the units by an allowance. */
  readonly freeUnits: number
  /** The rate that applied; null where there is no price. */
  readonly perUnitUsd: string | null
  readonly source: string | null
  readonly effectiveFromMs: number | null
}

/** In the order of attempts and items. */
export async function costLines(sql: Queries, requestId: string): Promise<readonly CostLineRecord[]> {
  return await sql<CostLineRecord[]>`
    select l.attempt, l.kind, l.item, l.units, l.cost as "costNanoUsd", l.price_id,
           l.free_units, trim_scale(l.per_unit_usd)::text as per_unit_usd, p.source, p.effective_from as "effectiveFromMs"
    from cost_line l left join price p on p.id = l.price_id
    where l.request_id = ${requestId}
    order by l.attempt, l.kind <> 'correction' desc, l.item`
}
