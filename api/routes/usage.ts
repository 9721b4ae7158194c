// What a client uses now, today and this month; what it has used, and a file of it.

import { z } from 'zod'
import { readClient } from '../../activities/ledger/read-config.ts'
import { currentUsage } from '../../activities/ledger/read-usage.ts'
import { usageLines } from '../../activities/ledger/usage-lines.ts'
import { reportUsage } from '../../activities/ledger/usage-report.ts'
import { nowMs } from '../context.ts'
import { standingTo } from '../convert/budget.ts'
import { toIso } from '../convert/time.ts'
import { MEDIA_TYPES, writeUsage } from '../convert/usage-export.ts'
import { spanFrom, usageItemTo, usageSumTo } from '../convert/usage.ts'
import { mustActFor } from '../keys.ts'
import { keyCursorFrom, keyCursorTo, nextLink } from '../page.ts'
import { notFound } from '../problem.ts'
import { route, streamRoute, type Route } from '../route.ts'
import { currentUsage as usageSchema } from '../schema/figures.ts'
import * as p from '../schema/primitives.ts'
import { exportQuery, usageQuery, usageReport } from '../schema/usage.ts'

const params = z.strictObject({ clientId: p.clientId })

const getUsage = route({
  method: 'get',
  path: '/api/usage/{clientId}',
  scopes: ['read', 'execute'],
  summary: 'Requests, units and cost over time, by day, resource, template, model, scope or worker',
  params,
  query: usageQuery,
  problems: ['not-found'],
  answers: { 200: usageReport },
  async handle({ context, caller, params, query, request }) {
    const { clientId } = params
    mustActFor(caller, clientId)
    const asOfMs = nowMs(context)
    const { fromMs, toMs } = spanFrom(query, asOfMs)
    const { groupBy, limit } = query
    const asked = { clientId, fromMs, toMs, groupBy, limit, after: keyCursorFrom(query.cursor) }
    const { total, items, hasMore } = await reportUsage(context.sql, asked)
    if (items.length === 0 && (await readClient(context.sql, clientId)) === null)
      throw notFound('client', clientId)
    const cursor = hasMore ? keyCursorTo(items.at(-1)?.key ?? '') : null
    const at = { asOf: toIso(asOfMs), from: toIso(fromMs), to: toIso(toMs) }
    const sums = { total: usageSumTo(total), items: items.map(usageItemTo) }
    return {
      status: 200,
      body: { clientId, ...at, groupBy, ...sums, cursor },
      headers: nextLink(request, cursor),
    }
  },
})

const getCurrent = route({
  method: 'get',
  path: '/api/usage/{clientId}/current',
  scopes: ['read', 'execute'],
  summary: 'Budgets, reservations in flight, requests and units of today and this month',
  params,
  problems: ['not-found'],
  answers: { 200: usageSchema },
  async handle({ context, caller, params }) {
    const { clientId } = params
    mustActFor(caller, clientId)
    const atMs = nowMs(context)
    const usage = await currentUsage(context.sql, clientId, atMs)
    if (usage === null) throw notFound('client', clientId)
    const { budgets, ...rest } = usage
    const body = {
      clientId,
      asOf: toIso(atMs),
      ...rest,
      budgets: budgets.map(standingTo),
      resources: { ...rest.resources },
    }
    return { status: 200, body }
  },
})

const getExport = streamRoute({
  method: 'get',
  path: '/api/usage/{clientId}/export',
  scopes: ['read', 'execute'],
  summary: 'Usage line by line as it was booked, as CSV or NDJSON, with the columns of FOCUS',
  params,
  query: exportQuery,
  streams: Object.values(MEDIA_TYPES),
  problems: ['not-found'],
  async stream({ context, caller, params, query }, response) {
    const { clientId } = params
    mustActFor(caller, clientId)
    const span = spanFrom(query, nowMs(context))
    if ((await readClient(context.sql, clientId)) === null) throw notFound('client', clientId)
    const lines = usageLines(context.sql, clientId, span)
    const { format } = query
    const name = `usage-${clientId.replaceAll(/[^\w.-]/g, '_')}.${format}`
    response.type(MEDIA_TYPES[format]).set('content-disposition', `attachment; filename="${name}"`)
    await writeUsage({ format, clientId, lines }, response)
  },
})

export const usageRoutes: readonly Route[] = [getUsage, getCurrent, getExport]
