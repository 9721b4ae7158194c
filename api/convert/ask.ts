// What a body asks, in the domain's words.

import type { ExecutionAsk, ReservationAsk } from '../../domain/ask.ts'
import { parseUsd, type NanoUsd } from '../../domain/money.ts'
import { NO_SCOPE } from '../../domain/scope.ts'
import type { EstimateBody, ExecuteBody, ReserveBody } from '../schema/requests.ts'
import { fromIsoOrNull } from './time.ts'

type Identity = { readonly id: string; readonly bodyHash: string }

type CountedIdentity = Identity & { readonly inputTokens: number | null }

export function executionAsk(
  body: ExecuteBody,
  { id, bodyHash, inputTokens }: CountedIdentity,
): ExecutionAsk {
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
    inputTokens,
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

/** What is asked of an estimate, as the request that it is about. */
export function estimateAsk(body: EstimateBody, inputTokens: number | null): ExecutionAsk {
  const { clientId = '', template, worker, resources, input } = body
  return {
    kind: 'execution',
    id: '',
    bodyHash: '',
    clientId,
    template,
    worker,
    action: null,
    input,
    inputTokens,
    urgency: 'normal',
    accuracy: 'standard',
    resources,
    maxWaitMs: null,
    labels: {},
    scope: NO_SCOPE,
    deadlineMs: null,
    deferUntilMs: null,
    maxCostNanoUsd: null,
  }
}
