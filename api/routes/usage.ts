// What a client uses now, today and this month.

import { z } from 'zod'
import { currentUsage } from '../../activities/ledger/read-usage.ts'
import { nowMs } from '../context.ts'
import { standingTo } from '../convert/config.ts'
import { toIso } from '../convert/time.ts'
import { mustActFor } from '../keys.ts'
import { notFound } from '../problem.ts'
import { route, type Route } from '../route.ts'
import { currentUsage as usageSchema } from '../schema/figures.ts'
import * as p from '../schema/primitives.ts'

const getCurrent = route({
  method: 'get',
  path: '/api/usage/{clientId}/current',
  scopes: ['read', 'execute'],
  summary: 'Budgets, reservations in flight, requests and units of today and this month',
  params: z.strictObject({ clientId: p.clientId }),
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

export const usageRoutes: readonly Route[] = [getCurrent]
