// A request's changes of state as server-sent events, from the first one or after the last one seen.
//
// V1  Ids are the ledger's sequence: a client that comes back with `Last-Event-ID` misses nothing and sees nothing twice.
// V2  The stream ends with the request; the last event is its final state.

import { createSession, type Session } from 'better-sse'
import type { Response } from 'express'
import { readEvents, type StateChange } from '../../activities/ledger/read-events.ts'
import { readStates, type RequestRecord } from '../../activities/ledger/read-request.ts'
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
  streams: ['text/event-stream'],
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
      // A refusal at admission is no change of a state: there is nothing to follow.
      if (record.state === 'refused') push(session, record.id, refusalOf(record))
      else await follow(context, record.id, { session, response, after })
      response.end()
    } finally {
      streams -= 1
    }
  },
})

type Stream = { readonly session: Session; readonly response: Response; readonly after: number }

async function follow(
  context: ApiContext,
  requestId: string,
  { session, response, after }: Stream,
): Promise<void> {
  const { sql, announcements } = context
  let last = after
  const isOpen = () => session.isConnected && !response.destroyed
  const news = async (): Promise<News | null> => {
    if (!isOpen()) return { events: [], hasEnded: true }
    const hasEnded = await isEnded(sql, requestId)
    const events = await readEvents(sql, requestId, last, BATCH_MAX)
    return events.length > 0 || hasEnded ? { events, hasEnded } : null
  }
  while (isOpen()) {
    const { events, hasEnded } = (await announcements.waitFor(requestId, news, LOOK_AGAIN_MS)) ?? NO_NEWS
    for (const event of events) push(session, requestId, event)
    last = events.at(-1)?.sequence ?? last
    if (hasEnded && events.length < BATCH_MAX) return
  }
}

function refusalOf({ createdAtMs, refusal }: RequestRecord): StateChange {
  const detail = refusal === null ? null : { code: refusal.code, detail: refusal.detail }
  return { sequence: 0, state: 'refused', atMs: createdAtMs, detail }
}

/** `hasEnded` is older than `events`: the last change is among them. */
type News = { readonly events: readonly StateChange[]; readonly hasEnded: boolean }
const NO_NEWS: News = { events: [], hasEnded: false }

function push(session: Session, requestId: string, { sequence, state, atMs, detail }: StateChange): void {
  const event = { requestId, sequence, state, at: toIso(atMs), detail }
  session.push(event, state, String(sequence))
}

async function isEnded(sql: ApiContext['sql'], requestId: string): Promise<boolean> {
  const state = (await readStates(sql, [requestId])).get(requestId)
  return state === undefined || isFinal(state)
}

export const eventRoutes: readonly Route[] = [getEvents]
