// What a request cost.

import { z } from 'zod'
import { costLines, type CostLineRecord } from '../../activities/ledger/read-cost.ts'
import { readRequest } from '../../activities/ledger/read-request.ts'
import { formatUsd } from '../../domain/money.ts'
import { WHOLE_COST } from '../../domain/price.ts'
import { nowMs } from '../context.ts'
import { stateTo } from '../convert/request.ts'
import { toIsoOrNull } from '../convert/time.ts'
import { mustActFor } from '../keys.ts'
import { notFound } from '../problem.ts'
import { route, type Route } from '../route.ts'
import { costOfRequest } from '../schema/answers.ts'
import * as p from '../schema/primitives.ts'

const READERS = ['read', 'execute', 'internal'] as const

const getCost = route({
  method: 'get',
  path: '/api/cost/{requestId}',
  scopes: READERS,
  summary: 'What it cost, line by line, with the price of each',
  params: z.strictObject({ requestId: p.id }),
  problems: ['not-found'],
  answers: { 200: costOfRequest },
  async handle({ context, caller, params }) {
    const { requestId } = params
    const record = await readRequest(context.sql, requestId, nowMs(context))
    if (record === null) throw notFound('request', requestId)
    mustActFor(caller, record.clientId)
    const { clientId, actualNanoUsd } = record
    const body = {
      requestId,
      clientId,
      state: stateTo(record),
      estimatedUsd: formatUsd(record.estimatedNanoUsd),
      heldUsd: formatUsd(record.heldNanoUsd),
      actualUsd: actualNanoUsd === null ? null : formatUsd(actualNanoUsd),
      lines: (await costLines(context.sql, requestId)).map(lineTo),
    }
    return { status: 200, body }
  },
})

function lineTo({
  attempt,
  kind,
  item,
  units,
  freeUnits,
  costNanoUsd,
  perUnitUsd,
  source,
  effectiveFromMs,
}: CostLineRecord) {
  const resource = item === WHOLE_COST ? null : item
  const costUsd = formatUsd(costNanoUsd)
  const effectiveFrom = toIsoOrNull(effectiveFromMs)
  return {
    attempt,
    kind,
    resource,
    units,
    freeUnits,
    perUnitUsd,
    costUsd,
    source,
    effectiveFrom,
    assumed: kind === 'assumed',
  }
}

export const costRoutes: readonly Route[] = [getCost]
