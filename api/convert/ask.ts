// What a body asks, in the domain's words.

import type { ExecutionAsk, ReservationAsk } from '../../domain/ask.ts'
import { parseUsd, type NanoUsd } from '../../domain/money.ts'
import type { ExecuteBody, ReserveBody } from '../schema/requests.ts'
import { fromIsoOrNull } from './time.ts'

type Identity = { readonly id: string; readonly bodyHash: string }

export function executionAsk(body: ExecuteBody, { id, bodyHash }: Identity): ExecutionAsk {
  const {
    clientId,
    template,
    worker,
    action,
    input,
    urgency,
    accuracy,
    resources,
    maxWaitMs,
    labels,
    scope,
  } = body
  return {
    kind: 'execution',
    id,
    bodyHash,
    clientId,
    template,
    worker,
    action,
    input,
    urgency,
    accuracy,
    resources,
    maxWaitMs,
    labels,
    scope,
    deadlineMs: fromIsoOrNull(body.deadline),
    deferUntilMs: fromIsoOrNull(body.deferUntil),
    maxCostNanoUsd: usdOrNull(body.maxCostUsd),
  }
}

export function reservationAsk(body: ReserveBody, { id, bodyHash }: Identity): ReservationAsk {
  const { clientId, resources, urgency, ttlMs, maxWaitMs, scope } = body
  const costNanoUsd = usdOrNull(body.costUsd)
  return {
    kind: 'reservation',
    id,
    bodyHash,
    clientId,
    urgency,
    scope,
    maxWaitMs,
    resources,
    costNanoUsd,
    ttlMs,
  }
}

/** The schema has checked that text is an amount of USD. */
export function usdOrNull(text: string | null): NanoUsd | null {
  return text === null ? null : parseUsd(text)
}
