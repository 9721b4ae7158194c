// A request's changes of state as server-sent events, from the first one or after the last one seen.
//
// V1  Ids are the ledger's sequence: a client that comes back with `Last-Event-ID` misses nothing and sees nothing twice.
// V2  The stream ends with the request; the last event is its final state.

import { createSession, type Session } from 'better-sse'
import type { Response } from 'express'
import { readEvents, type StateChange } from '../../activities/ledger/read-events.ts'
import { isFinal } from '../../domain/request.ts'
import type { ApiContext } from '../context.ts'
import { toIso } from '../convert/time.ts'
import { unavailable } from '../problem.ts'
import { streamRoute, type Route } from '../route.ts'
import { executionOrThrow, requestParams } from './execute.ts'

const STREAMS_MAX = 1_000
const BATCH_MAX = 100
const LOOK_AGAIN_MS = 10_000
const KEEP_ALIVE_MS = 15_000

let streams = 0

const getEvents = streamRoute({
  method: 'get',
  path: '/api/execution/{id}/events',
  scopes: ['execute', 'read'],
  summary: 'Its changes of state as they happen (server-sent events)',
  headers: ['Last-Event-ID'],
  params: requestParams,
  problems: ['not-found'],
  async stream({ context, caller, params, request }, response) {
    const record = await executionOrThrow(context, caller, params.id)
    if (streams >= STREAMS_MAX) throw unavailable(`${STREAMS_MAX} streams are open already`)
    const after = Number(/^\d{1,15}$/.exec(request.get('last-event-id') ?? '')?.[0] ?? 0)
    streams += 1
    try {
      const session = await createSession(request, response, {
        keepAlive: KEEP_ALIVE_MS,
        trustClientEventId: false,
      })
      await follow(context, record.id, { session, response, after })
    } finally {
      streams -= 1
      response.end()
    }
  },
})

type Stream = { readonly session: Session; readonly response: Response; readonly after: number }

async function follow(
  context: ApiContext,
  requestId: string,
  { session, response, after }: Stream,
): Promise<void> {
  let last = after
  const news = async () => {
    if (!session.isConnected || response.destroyed) return []
    const events = await readEvents(context.sql, requestId, last, BATCH_MAX)
    return events.length === 0 ? null : events
  }
  while (session.isConnected && !response.destroyed) {
    const events = (await context.announcements.waitFor(requestId, news, LOOK_AGAIN_MS)) ?? []
    for (const event of events) push(session, requestId, event)
    last = events.at(-1)?.sequence ?? last
    // A client that comes back after the end has seen all of it.
    if (
      events.some(({ state }) => isFinal(state)) ||
      (events.length === 0 && (await hasEnded(context, requestId, last)))
    )
      return
  }
}

function push(session: Session, requestId: string, { sequence, state, atMs, detail }: StateChange): void {
  const event = { requestId, sequence, state, at: toIso(atMs), detail }
  session.push(event, state, String(sequence))
}

async function hasEnded({ sql }: ApiContext, requestId: string, last: number): Promise<boolean> {
  if (last === 0) return false
  const [newest] = await sql<{ isLast: boolean }[]>`
    select not exists (select from event where request_id = ${requestId} and sequence > ${last}) as is_last
    from request where id = ${requestId} and ended_at is not null`
  return newest?.isLast ?? false
}

export const eventRoutes: readonly Route[] = [getEvents]
