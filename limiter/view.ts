// Questions that change nothing: how much is left, does this fit, where does this one stand, how long are the queues.
//
// A2  A question about a time before the state's own is answered for the state's time.
// A3  Asking never changes what is decided or encoded.

import {
  FAIRNESS_POINTS_MAX,
  priorityOf,
  URGENCY_POINTS,
  type Priority,
  type Urgency,
} from '../domain/priority.ts'
import type { Limit } from '../domain/limit.ts'
import type { Demand, ResourceKind } from '../domain/resource.ts'
import { availableIn, availableOf, type Account } from './account.ts'
import { impossibility } from './apply/reserve.ts'
import type { LimiterState } from './book.ts'
import type { Blocking, Rejection } from './effect.ts'
import { endingOf } from './endings.ts'
import { candidateOf, forecast } from './forecast.ts'
import type { LimitView } from './limits/meter.ts'
import type { Pool } from './pool.ts'
import { wantsFor } from './queue.ts'

export type Availability = {
  readonly id: string
  readonly unit: string
  readonly kind: ResourceKind
  /** What one reservation could take now; negative is debt. */
  readonly available: number
  /** Reservations that hold a lease. */
  readonly inFlight: number
  readonly waiting: number
  /** Null where it is open. */
  readonly closedUntilMs: number | null
  /** As configured; used and left over all pools. */
  readonly limits: readonly WholeLimitView[]
  readonly pools: Readonly<Record<string, PoolView>>
}

/** `observed`: the size that the provider tells where that is not what is configured, else null. */
export type WholeLimitView = LimitView & { readonly observed: number | null }

export type PoolView = { readonly available: number; readonly limits: readonly LimitView[] }

/** All resources, or the one asked for; empty where that is unknown. */
export function availability(
  state: LimiterState,
  atMs: number,
  resourceId: string | null = null,
): readonly Availability[] {
  const whenMs = Math.max(state.nowMs, atMs)
  const asked = resourceId === null ? [...state.accounts.values()] : [state.accounts.get(resourceId)]
  return asked.flatMap((account) => (account === undefined ? [] : [availabilityOf(account, whenMs)]))
}

function availabilityOf(account: Account, atMs: number): Availability {
  const { resource, inFlight, waiting, closedUntilMs, pools } = account
  return {
    id: resource.id,
    unit: resource.unit,
    kind: resource.kind,
    available: availableOf(account, atMs),
    inFlight,
    waiting,
    closedUntilMs: closedUntilMs > atMs ? closedUntilMs : null,
    limits: resource.limits.map((limit, index) => ({
      ...wholeOf(limit, pools, index, atMs),
      observed: account.observed.get(index) ?? null,
    })),
    pools: Object.fromEntries(
      pools.map((pool) => [
        pool.name,
        { available: availableIn(account, pool, atMs), limits: pool.meters.map((meter) => meter.view(atMs)) },
      ]),
    ),
  }
}

/** A limit over all pools. */
function wholeOf(limit: Limit, pools: readonly Pool[], index: number, atMs: number): LimitView {
  const views = pools.flatMap((pool) => pool.meters[index]?.view(atMs) ?? [])
  const resets = views.flatMap(({ resetsAtMs }) => resetsAtMs ?? [])
  return {
    type: limit.type,
    limit: views.reduce((sum, view) => sum + view.limit, 0),
    used: views.reduce((sum, view) => sum + view.used, 0),
    remaining: views.reduce((sum, view) => sum + view.remaining, 0),
    resetsAtMs: resets.length === 0 ? null : Math.max(...resets),
  }
}

export type Question = {
  readonly clientId: string
  readonly maxConcurrent: number | null
  readonly urgency: Urgency
  readonly tier: string
  readonly demand: Demand
}

export type Check = {
  readonly fitsNow: boolean
  /** Until it could start, were it asked for now; null where nobody can tell, or never. */
  readonly waitMs: number | null
  readonly blocking: Blocking | null
  /** Why it can never be granted, or null. */
  readonly impossible: Rejection | null
}

/** Would it start now, and if not, what holds it back and for how long. */
export function check(state: LimiterState, question: Question, atMs: number): Check {
  const { clientId, maxConcurrent, urgency, tier, demand } = question
  const whenMs = Math.max(state.nowMs, atMs)
  const unknown = demand.find(([id]) => !state.accounts.has(id))
  const rule = state.tiers.get(tier)
  if (unknown !== undefined) return never({ reason: 'unknown-resource', resourceId: unknown[0] })
  if (rule === undefined) return never({ reason: 'unknown-tier', tier })
  const impossible = impossibility(state, demand, question)
  if (impossible !== null) return never(impossible)

  const client = state.clients.get(clientId)
  const points = rule.points + URGENCY_POINTS[urgency] + (client?.points ?? FAIRNESS_POINTS_MAX)
  const { etaMs, blocking } = forecast(
    state,
    {
      wants: wantsFor(state, demand, question),
      standing: { points, enqueuedAtMs: whenMs, sequence: state.sequence + 1 },
      client: { id: clientId, inFlight: client?.inFlight ?? 0, maxConcurrent },
      seen: null,
    },
    whenMs,
  )
  const waitMs = etaMs === null ? null : etaMs - whenMs
  return { fitsNow: blocking === null, waitMs, blocking, impossible: null }
}

function never(impossible: Rejection): Check {
  return { fitsNow: false, waitMs: null, blocking: null, impossible }
}

export type Placement =
  | {
      readonly state: 'waiting'
      readonly position: number
      readonly etaMs: number | null
      readonly waitingFor: Blocking | null
      readonly priority: Priority
    }
  | {
      readonly state: 'granted' | 'ended' | 'unknown'
      readonly position: null
      readonly etaMs: null
      readonly waitingFor: null
      readonly priority: null
    }

/** Where a reservation stands. */
export function placement(state: LimiterState, id: string, atMs: number): Placement {
  const found = state.reservations.get(id)
  if (found?.kind !== 'waiting') {
    const ended = endingOf(state.endings, id) === undefined ? 'unknown' : 'ended'
    return { state: found?.kind ?? ended, position: null, etaMs: null, waitingFor: null, priority: null }
  }
  const whenMs = Math.max(state.nowMs, atMs)
  const { position, etaMs, blocking } = forecast(state, candidateOf(found), whenMs)
  const { client, tier, urgency, boost } = found.lane
  return {
    state: 'waiting',
    position,
    etaMs,
    waitingFor: blocking,
    priority: priorityOf({
      tier: state.tiers.get(tier)?.points ?? 0,
      urgency,
      waitedMs: whenMs - found.enqueuedAtMs,
      fairness: client.points,
      boost,
    }),
  }
}

export { queues, type Queues } from './queues.ts'
