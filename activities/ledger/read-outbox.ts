// The outbox: every event of the ledger, in one order, for whoever catches up.
//
// O1  An event gets its number after its commit, by one transaction at a time: whoever sees a number sees all that are
//     lower, and what commits later gets a higher one. A sequence that is drawn at insert does not give that: a lower
//     one may commit later, and a reader that has passed it would never see it.
// O2  Of one request, events are numbered in the order of its states: each is committed before the next is made.
// O3  Nobody pays for numbers that nobody reads.

import type { Json } from '../../domain/failure.ts'
import { nameOfState, type EventName, type NamedEvent } from '../../domain/event.ts'
import type { RequestKind, RequestState } from '../../domain/request.ts'
import type { Queries, Sql } from './database.ts'

export type OutboxEvent = {
  /** Grows over all events. */
  readonly sequence: number
  readonly name: EventName
  readonly atMs: number
  /** Null: it concerns the root scope. */
  readonly clientId: string | null
  readonly requestId: string | null
  readonly detail: Json
}

export type Wanted = {
  /** 0: from the first that is kept. */
  readonly after: number
  readonly limit: number
  /** Null: those of all clients. */
  readonly clientId: string | null
}

/** Events with a sequence above `after`, in order, at most `limit`. */
export async function readOutbox(sql: Sql, wanted: Wanted): Promise<readonly OutboxEvent[]> {
  let numbered = NUMBERED_MAX
  while (numbered === NUMBERED_MAX) numbered = await numberEvents(sql)
  return await readNumbered(sql, wanted)
}

const NUMBERED_MAX = 5_000
/** Any number that no other lock of the ledger has. */
const NUMBERING_LOCK = 7_301

/** Gives the next numbers to events that are committed (O1); how many. */
async function numberEvents(sql: Sql): Promise<number> {
  return await sql.begin(async (tx) => {
    // Two statements: the second one sees what whoever held the lock has numbered.
    const [, { count }] = await Promise.all([
      tx`select pg_advisory_xact_lock(${NUMBERING_LOCK})`,
      tx`
        update event e set number = next.number
        from (select sequence, nextval('event_number_sequence') as number
              from (select sequence from event where number is null
                    order by sequence limit ${NUMBERED_MAX}) as ordered) as next
        where e.sequence = next.sequence and e.number is null`,
    ])
    return count
  })
}

type Row = {
  readonly number: number
  readonly state: RequestState | null
  readonly name: NamedEvent | null
  readonly at: number
  readonly scope: string | null
  readonly detail: Json
  readonly requestId: string | null
  readonly kind: RequestKind | null
  readonly clientId: string | null
}

async function readNumbered(
  sql: Queries,
  { after, limit, clientId }: Wanted,
): Promise<readonly OutboxEvent[]> {
  const rows = await sql<Row[]>`
    select e.number, e.state, e.name, e.at, e.scope, e.detail, e.request_id, r.kind, r.client_id
    from event e left join request r on r.id = e.request_id
    where e.number > ${after}
      and (${clientId}::text is null or coalesce(r.client_id, split_part(e.scope, '/', 1)) = ${clientId})
    order by e.number
    limit ${limit}`
  return rows.map(fromRow)
}

function fromRow({ number, state, name, at, scope, detail, requestId, kind, clientId }: Row): OutboxEvent {
  const told = name ?? nameOfState(kind ?? 'execution', state ?? 'admitted')
  const client = clientId ?? clientOf(scope)
  return { sequence: number, name: told, atMs: at, clientId: client, requestId, detail }
}

function clientOf(scope: string | null): string | null {
  const [client = null] = scope?.split('/') ?? []
  return client === 'global' ? null : client
}
