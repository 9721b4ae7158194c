// Requests, the newest first, a page at a time.
//
// L1  The order is (time of admission, id), both descending; a page goes on after its last one, whatever came since.

import type { RequestKind, RequestState } from '../../domain/request.ts'
import type { Urgency } from '../../domain/priority.ts'
import type { NanoUsd } from '../../domain/money.ts'
import type { Queries } from './database.ts'
import { REFUSED_KEPT_MS } from './read-request.ts'
import { timestamp } from './statement.ts'

export type ListedRequest = {
  readonly id: string
  readonly kind: RequestKind
  readonly clientId: string
  readonly tier: string | null
  readonly template: string | null
  readonly worker: string | null
  readonly state: RequestState
  readonly urgency: Urgency
  readonly createdAtMs: number
  readonly grantedAtMs: number | null
  readonly endedAtMs: number | null
  readonly estimatedNanoUsd: NanoUsd
  readonly actualNanoUsd: NanoUsd | null
}

/** The last request of the page before. */
export type Cursor = { readonly createdAtMs: number; readonly id: string }

export type Filter = {
  readonly kind: RequestKind | null
  readonly clientId: string | null
  readonly state: RequestState | null
  readonly after: Cursor | null
  readonly limit: number
}

/** `next` is null where there are no more. */
export async function listRequests(
  sql: Queries,
  { kind, clientId, state, after, limit }: Filter,
  nowMs: number,
): Promise<{ readonly items: readonly ListedRequest[]; readonly next: Cursor | null }> {
  const items = await sql<ListedRequest[]>`
    select id, kind, client_id, tier, template, worker, state, urgency, created_at as "createdAtMs",
           granted_at as "grantedAtMs", ended_at as "endedAtMs", estimated_cost as "estimatedNanoUsd",
           actual_cost as "actualNanoUsd"
    from request
    where (state <> 'refused' or created_at > ${timestamp(nowMs - REFUSED_KEPT_MS)})
      ${kind === null ? sql`` : sql`and kind = ${kind}`}
      ${clientId === null ? sql`` : sql`and client_id = ${clientId}`}
      ${state === null ? sql`` : sql`and state = ${state}`}
      ${after === null ? sql`` : sql`and (created_at, id) < (${timestamp(after.createdAtMs)}, ${after.id})`}
    order by created_at desc, id desc
    limit ${limit + 1}`
  const page = items.slice(0, limit)
  const last = page.at(-1)
  const hasMore = items.length > limit && last !== undefined
  return { items: page, next: hasMore ? { createdAtMs: last.createdAtMs, id: last.id } : null }
}
