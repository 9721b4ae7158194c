// reserve: placed in the queue, and told what became of it.
//
// V2  A known id is answered with what it is: waiting -> queued, granted -> granted, ended -> its ending again.
//     A rejected id leaves nothing behind and is judged anew.
// V3  Refused at once: an unknown resource or tier, a demand that no limit can ever admit.
// V4  What may not wait, or cannot start before it would give up, is granted now or rejected, and others are not
//     held up by it.

import { impossibleIn, type Asker } from '../../domain/pool.ts'
import type { Demand } from '../../domain/resource.ts'
import { canonical } from '../amounts.ts'
import { hasRoomFor, type LimiterState } from '../book.ts'
import { clientOf } from '../client.ts'
import type { Blocking, Effect, Rejection } from '../effect.ts'
import { endingOf } from '../endings.ts'
import type { Reserve } from '../event.ts'
import { rememberedOf } from '../experience.ts'
import { candidateOf, earliestStart, forecast, type Forecast } from '../forecast.ts'
import { wantsOf } from '../order/lane.ts'
import { laneBytes, memberBytes } from '../plain-bytes.ts'
import { changeCap, dequeue, enqueue } from '../queue.ts'
import type { Waiting } from '../reservation.ts'
import { endingEffect, grantedEffect, queuedEffect, rejectedEffect } from './answer.ts'

/** Answers a repeated or void reserve, or places it in the queue; `conclude` tells the rest after the pass. */
export function reserve(state: LimiterState, event: Reserve): readonly Effect[] {
  const { id } = event
  const { nowMs } = state
  const known = state.reservations.get(id)
  if (known?.kind === 'granted') return [grantedEffect(known)]
  if (known !== undefined) return [queuedEffect(state, known, forecast(state, candidateOf(known), nowMs))]
  const ending = endingOf(state.endings, id)
  if (ending !== undefined) return [endingEffect(state, id, ending)]
  const demand = canonical(event.demand)
  const rejection = refusalOf(state, demand, event) ?? overflow(state, { ...event, demand })
  if (rejection !== null) return [rejectedEffect(state, id, rejection)]

  state.sequence += 1
  const client = clientOf(state, event.clientId)
  if (client.maxConcurrent !== event.maxConcurrent) {
    client.maxConcurrent = event.maxConcurrent
    changeCap(state, client)
  }
  enqueue(state, {
    id,
    sequence: state.sequence,
    clientId: event.clientId,
    tier: event.tier,
    urgency: event.urgency,
    boost: 0,
    demand,
    enqueuedAtMs: Math.min(event.enqueuedAtMs, nowMs),
    waitUntilMs: event.waitUntilMs,
    leaseMs: event.leaseMs,
    blocking: null,
    foreseen: 0,
  })
  return []
}

/** After the pass: queued, or rejected where it may not wait. `null` where it was granted. */
export function conclude(state: LimiterState, id: string): Effect | null {
  const waiting = state.reservations.get(id)
  if (waiting?.kind !== 'waiting') return null
  const ahead = forecast(state, candidateOf(waiting), state.nowMs)
  const rejection = mayNotWait(state, waiting, ahead)
  if (rejection !== null) {
    dequeue(state, waiting)
    return rejectedEffect(state, id, rejection)
  }
  waiting.blocking = ahead.blocking
  const untilMs = ahead.blocking?.untilMs ?? null
  if (untilMs !== null) waiting.foreseen = rememberedOf(untilMs - waiting.enqueuedAtMs)
  return queuedEffect(state, waiting, ahead)
}

/** Why a demand is refused before anything else is asked, or null (V3). */
export function refusalOf(
  state: LimiterState,
  demand: Demand,
  { tier, ...asker }: Asker & { readonly tier: string },
): Rejection | null {
  for (const [resourceId] of demand) {
    if (!state.accounts.has(resourceId)) return { reason: 'unknown-resource', resourceId }
  }
  if (!state.tiers.has(tier)) return { reason: 'unknown-tier', tier }
  return impossibility(state, demand, asker)
}

/** The first limit that can never admit the demand, or null. */
export function impossibility(
  state: LimiterState,
  demand: Demand,
  asker: Asker,
): Extract<Rejection, { reason: 'impossible' }> | null {
  for (const [resourceId, units] of demand) {
    const account = state.accounts.get(resourceId)
    if (account === undefined) continue
    const found = impossibleIn(account.pools, units, asker)
    if (found !== null) return { reason: 'impossible', resourceId, ...found }
  }
  return null
}

/** No room is left for it in the plain form (BY2), or null. */
function overflow(state: LimiterState, event: Reserve): Rejection | null {
  const resourceIds = event.demand.map(([id]) => id)
  if (hasRoomFor(state, memberBytes(event) + laneBytes({ ...event, resourceIds }))) return null
  const [resourceId = ''] = resourceIds
  const { size } = state.reservations
  return { reason: 'queue-full', resourceId, size, retryAfterMs: retryAfter(state, null) }
}

function mayNotWait(state: LimiterState, waiting: Waiting, ahead: Forecast): Rejection | null {
  const { accounts } = waiting.lane.shape
  const { deadlineMs } = waiting
  if (deadlineMs <= state.nowMs || earliestStart(wantsOf(waiting), state.nowMs) > deadlineMs) {
    const blocking = ahead.blocking ?? behindOthers(state, waiting.demand)
    return { reason: 'insufficient', blocking, retryAfterMs: retryAfter(state, blocking.untilMs) }
  }
  const full = accounts.find(({ waiting: depth, resource }) => depth > resource.maxQueue)
  if (full === undefined) return null
  const { id: resourceId, maxQueue } = full.resource
  return {
    reason: 'queue-full',
    resourceId,
    size: maxQueue,
    retryAfterMs: retryAfter(state, state.startAtMs),
  }
}

/** It would fit, but others go first: told as the first limit of its first resource. */
function behindOthers({ startAtMs }: LimiterState, demand: Demand): Blocking {
  const [resourceId, needed] = demand[0] ?? ['', 0]
  return { resourceId, limit: 0, needed, available: 0, untilMs: startAtMs }
}

/** Where nobody can tell when to try again. */
const RETRY_AFTER_MS = 1_000

function retryAfter({ nowMs }: LimiterState, untilMs: number | null): number {
  return untilMs === null ? RETRY_AFTER_MS : Math.max(1, untilMs - nowMs)
}
