// Catching up on events: everything that happened after the last one seen, in one order.
//
// C1  A key that is bound to a client sees that client's events alone.

import { z } from 'zod'
import { readOutbox, type OutboxEvent } from '../../activities/ledger/read-outbox.ts'
import { toIso } from '../convert/time.ts'
import { route, type Route } from '../route.ts'
import * as p from '../schema/primitives.ts'

const LIMIT_MAX = 200
const LIMIT_DEFAULT = 100

const event = z
  .strictObject({
    sequence: p.positive.meta({ description: 'Grows over all events; `after` takes it' }),
    type: z.string().meta({ example: 'execution.completed' }),
    timestamp: p.time,
    clientId: z.string().nullable(),
    requestId: z.string().nullable(),
    data: p.json,
  })
  .meta({ id: 'Event' })

const events = z.strictObject({ items: z.array(event), cursor: z.string().nullable() }).meta({ id: 'Events' })

const sequence = z.coerce.number().int().min(0)
const query = z.strictObject({
  after: sequence.default(0).meta({ description: 'The last sequence seen' }),
  cursor: sequence.optional().meta({ description: 'Of the page before; wins over `after`' }),
  limit: z.coerce.number().int().min(1).max(LIMIT_MAX).default(LIMIT_DEFAULT),
})

const getOutbox = route({
  method: 'get',
  path: '/api/events',
  scopes: ['read', 'internal'],
  summary: 'Events after a sequence, in order: none is skipped, whenever it was committed',
  query,
  answers: { 200: events },
  async handle({ context, caller, query }) {
    const { limit } = query
    const after = query.cursor ?? query.after
    const found = await readOutbox(context.sql, { after, limit, clientId: caller.clientId })
    const last = found.length === limit ? (found.at(-1)?.sequence ?? null) : null
    const headers = last === null ? {} : { link: `</api/events?after=${last}&limit=${limit}>; rel="next"` }
    return { status: 200, body: { items: found.map(eventTo), cursor: last?.toString() ?? null }, headers }
  },
})

function eventTo({ sequence, name, atMs, clientId, requestId, detail }: OutboxEvent) {
  return { sequence, type: name, timestamp: toIso(atMs), clientId, requestId, data: detail }
}

export const outboxRoutes: readonly Route[] = [getOutbox]
