// What was used, line by line: written in the transaction that books it, beside the cost lines that it is made of.
//
// U1  A request counts once, in the hour of its admission; one that the limiter refuses is taken back in that hour.
// U2  Units and cost count in the hour in which they are booked. So does a correction: an hour that has been reported
//     never changes, and one with corrections may be negative.
// U3  Lines are never changed. A line is in the inbox, or rolled up (roll-up-usage.ts), never in both.

import { WHOLE_COST } from '../../domain/price.ts'
import type { Booking, BookingKind } from '../../domain/settlement.ts'
import type { Queries } from './database.ts'
import { jsonb, timestamp, type Fragment } from './statement.ts'

type Booked = { readonly requestId: string; readonly bookings: readonly Booking[] }

/** The insert of what bookings used, as a part of the statement that books it (U2). */
export function insertUsage(tx: Queries, booked: readonly Booked[], atMs: number): Fragment {
  const lines = booked.flatMap(({ requestId, bookings }) =>
    bookings.flatMap((booking) => linesOf(booking).map((line) => ({ requestId, ...line }))),
  )
  return tx`
    insert into usage_inbox
      (at, client_id, scope_path, template, worker, request_id, attempt, kind, resource, requests, units, cost)
    select ${timestamp(atMs)}, client_id, scope_path, template, worker, r.id, attempt, used.kind, resource, 0, units,
           "costNanoUsd"
    from jsonb_to_recordset(${jsonb(lines)}) as used
      ("requestId" text, attempt integer, kind text, resource text, units bigint, "costNanoUsd" bigint)
    join request r on r.id = used."requestId"`
}

/** The insert of what was admitted (U1), as a part of the statement that has written those rows, as `written`. */
export function insertAdmissions(tx: Queries): Fragment {
  return tx`
    insert into usage_inbox
      (at, client_id, scope_path, template, worker, request_id, attempt, kind, requests, units, cost)
    select created_at, client_id, scope_path, template, worker, id, 0, 'admission', 1, 0, 0
    from written where state <> 'refused'`
}

/** Takes back what the limiter refused after it had been admitted (U1). */
export async function takeBackAdmissions(tx: Queries, requestIds: readonly string[]): Promise<void> {
  await tx`
    insert into usage_inbox
      (at, client_id, scope_path, template, worker, request_id, attempt, kind, requests, units, cost)
    select created_at, client_id, scope_path, template, worker, id, 0, 'refusal', -1, 0, 0
    from request where id = any (${requestIds as string[]})`
}

type Line = {
  readonly attempt: number
  readonly kind: BookingKind
  readonly resource: string | null
  readonly units: number
  readonly costNanoUsd: number
}

/** The units of each resource with what they cost; what a whole attempt cost on a line of its own. */
function linesOf({ attempt, kind, units, lines }: Booking): readonly Line[] {
  const costs = new Map(lines.map(({ item, costNanoUsd }) => [item, costNanoUsd]))
  const used = new Map(units)
  const resources = [...new Set([...used.keys(), ...costs.keys()])].sort()
  return resources
    .map((item) => ({
      attempt,
      kind,
      resource: item === WHOLE_COST ? null : item,
      units: used.get(item) ?? 0,
      costNanoUsd: costs.get(item) ?? 0,
    }))
    .filter(({ units, costNanoUsd }) => units !== 0 || costNanoUsd !== 0)
}
