// A request as it is told: an execution or a reservation, with where it stands now.
//
// R1  What changes while it waits (position, expected start, score) comes from the limiter's published state; where
//     that has not seen it, from the limiter's last word in the ledger.

import type { ListedRequest } from '../../activities/ledger/list-requests.ts'
import type { RequestBrief, RequestRecord, TimelineEntry } from '../../activities/ledger/read-request.ts'
import { reservationKey } from '../../domain/admission.ts'
import { formatUsd, type NanoUsd } from '../../domain/money.ts'
import { queueClassOf, type QueueClass } from '../../domain/priority.ts'
import type { RequestState } from '../../domain/request.ts'
import { fromDemand, usedOf } from '../../domain/resource.ts'
import type { Blocking } from '../../limiter/effect.ts'
import { placement, type Placement } from '../../limiter/view.ts'
import { nowMs, type ApiContext } from '../context.ts'
import type { RESERVATION_STATES } from '../schema/answers.ts'
import { blockingTo } from './blocking.ts'
import { toIso, toIsoOrNull } from './time.ts'

export type Standing = {
  readonly position: number | null
  readonly etaMs: number | null
  readonly waitingFor: Blocking | null
  readonly priority: Placement['priority']
  readonly queueClass: QueueClass
}

/** Where a request stands now (R1). */
export async function standingOf(context: ApiContext, record: RequestBrief): Promise<Standing> {
  const atMs = nowMs(context)
  const isWaiting = record.state === 'waiting'
  const placed = isWaiting ? await placementOf(context, record, atMs) : null
  const known = placed?.state === 'waiting' ? placed : null
  const etaMs = known?.etaMs ?? (isWaiting ? record.etaMs : null)
  return {
    position: known?.position ?? (isWaiting ? record.position : null),
    etaMs: record.state === 'deferred' ? record.deferUntilMs : etaMs,
    waitingFor: known?.waitingFor ?? (isWaiting ? record.waitingFor : null),
    priority: known?.priority ?? null,
    queueClass: queueClassAt(record, etaMs, atMs),
  }
}

async function placementOf(context: ApiContext, record: RequestBrief, atMs: number): Promise<Placement> {
  const key = reservationKey(record.id, record.generation)
  return placement(await context.limiterView(), key, atMs)
}

/** What does not wait is immediate; what waits and has no place yet is told by its place to come: the front. */
function queueClassAt(record: RequestBrief, etaMs: number | null, atMs: number): QueueClass {
  if (record.state === 'deferred') return queueClassOf((record.deferUntilMs ?? atMs) - atMs)
  const isPlaced = record.state === 'waiting' && record.position !== null
  if (!isPlaced) return 'immediate'
  return queueClassOf(etaMs === null ? null : Math.max(0, etaMs - atMs))
}

export function requestPath(id: string): string {
  return `/api/execution/${encodeURIComponent(id)}`
}

export function linksTo({ temporal }: ApiContext, id: string) {
  const self = requestPath(id)
  const { temporalUiUrl, namespace } = temporal
  const workflow = `/namespaces/${encodeURIComponent(namespace)}/workflows/${encodeURIComponent(`req:${id}`)}`
  return {
    self,
    cancel: `${self}/cancel`,
    events: `${self}/events`,
    temporal: temporalUiUrl === null ? null : temporalUiUrl + workflow,
  }
}

export function acceptedTo(context: ApiContext, record: RequestBrief, standing: Standing) {
  const { position, etaMs, queueClass } = standing
  return {
    requestId: record.id,
    state: record.state,
    queueClass,
    position,
    estimatedStart: toIsoOrNull(etaMs),
    estimatedCostUsd: formatUsd(record.estimatedNanoUsd),
    links: linksTo(context, record.id),
  }
}

export function executionTo(context: ApiContext, record: RequestRecord, standing: Standing) {
  const { position, etaMs, waitingFor, priority, queueClass } = standing
  const { clientId, tier, template, worker, state, urgency, attempts, configVersion } = record
  return {
    requestId: record.id,
    clientId,
    tier,
    template,
    worker,
    action: record.action,
    state,
    urgency,
    queueClass,
    position,
    estimatedStart: toIsoOrNull(etaMs),
    priority,
    waitingFor: waitingFor === null ? null : blockingTo(waitingFor),
    resources: {
      reserved: fromDemand(record.demand),
      actual: usedTo(record),
    },
    cost: {
      estimatedUsd: formatUsd(record.estimatedNanoUsd),
      heldUsd: formatUsd(record.heldNanoUsd),
      actualUsd: usdOrNull(record.actualNanoUsd),
      savedUsd: '0',
      assumed: record.isAssumed,
    },
    optimizations: [],
    attempts,
    partial: record.isPartial,
    output: record.output,
    error: errorOf(record),
    timeline: record.timeline.map(timelineTo),
    labels: { ...record.labels },
    decision: decisionOf(record),
    configVersion,
    links: linksTo(context, record.id),
  }
}

export function reservationTo(record: RequestBrief, standing: Standing) {
  const { position, etaMs, waitingFor, queueClass } = standing
  const { clientId, urgency, configVersion } = record
  return {
    reservationId: record.id,
    clientId,
    state: reservationState(record.state),
    urgency,
    queueClass,
    position,
    estimatedStart: toIsoOrNull(etaMs),
    waitingFor: waitingFor === null ? null : blockingTo(waitingFor),
    grantedAt: toIsoOrNull(record.grantedAtMs),
    startBy: toIsoOrNull(record.startByMs),
    expiresAt: toIsoOrNull(record.expiresAtMs),
    resources: fromDemand(record.demand),
    costUsd: formatUsd(record.actualNanoUsd ?? record.estimatedNanoUsd),
    heldUsd: formatUsd(record.heldNanoUsd),
    settled: usedTo(record),
    late: record.isLate,
    error: errorOf(record),
    decision: decisionOf(record),
    configVersion,
  }
}

/** The wire's names for a reservation's states (domain/request.ts, R3). */
export function reservationState(state: RequestState): (typeof RESERVATION_STATES)[number] {
  switch (state) {
    case 'admitted':
    case 'deferred':
    case 'waiting':
      return 'waiting'
    case 'granted':
    case 'executing':
      return 'granted'
    case 'completed':
    case 'failed':
      return 'settled'
    case 'refused':
      return 'rejected'
    case 'cancelled':
    case 'expired':
      return state
    default:
      return state satisfies never
  }
}

/** Its state as it is told. */
export function stateTo({ kind, state }: Pick<RequestBrief, 'kind' | 'state'>): string {
  return kind === 'reservation' ? reservationState(state) : state
}

/** Why it ended as it did: an error of its own, or why it was refused. */
function errorOf({ error, refusal }: RequestBrief) {
  if (refusal !== null) return { ...refusal.members, code: refusal.code, detail: refusal.detail }
  return error
}

/** What was decided and why: beside the state, it stays after the end. */
function decisionOf({ askedUrgency, urgency, demandFrom, waitedFor, decidedVersion }: RequestBrief) {
  return {
    askedUrgency,
    urgencyLowered: askedUrgency !== urgency,
    demandFrom,
    waitedFor: waitedFor === null ? null : blockingTo(waitedFor),
    limiterConfigVersion: decidedVersion,
  }
}

function usedTo({ actual, demand }: RequestBrief): Record<string, number> | null {
  return actual === null ? null : usedOf(actual, demand)
}

function timelineTo({ state, atMs, detail }: TimelineEntry) {
  return { state, at: toIso(atMs), ...(detail !== null && { detail }) }
}

/** A request as a list tells it. */
export function listedTo(listed: ListedRequest) {
  const { id, clientId, tier, template, worker, state, urgency } = listed
  return {
    requestId: id,
    clientId,
    tier,
    template,
    worker,
    state,
    urgency,
    createdAt: toIso(listed.createdAtMs),
    grantedAt: toIsoOrNull(listed.grantedAtMs),
    endedAt: toIsoOrNull(listed.endedAtMs),
    cost: { estimatedUsd: formatUsd(listed.estimatedNanoUsd), actualUsd: usdOrNull(listed.actualNanoUsd) },
  }
}

function usdOrNull(amount: NanoUsd | null): string | null {
  return amount === null ? null : formatUsd(amount)
}
