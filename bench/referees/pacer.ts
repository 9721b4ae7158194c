// Who decides when a call may be made: our limiter's core under a backlog that never ends, or a limiter that is wrong
// on purpose.

import type { Limit } from '../../domain/limit.ts'
import { RESOURCE_DEFAULTS, type Resource } from '../../domain/resource.ts'
import type { Effect } from '../../limiter/effect.ts'
import type { LimiterEvent } from '../../limiter/event.ts'
import { createState } from '../../limiter/state.ts'
import { nextWakeMs, step } from '../../limiter/step.ts'

export type Grant = { readonly id: string; readonly atMs: number; readonly startByMs: number }

export type Pacer = {
  /** What may be sent now. */
  readonly grants: (nowMs: number) => readonly Grant[]
  /** When to ask again; null where only an ending changes anything. */
  readonly wakeMs: (nowMs: number) => number | null
  /** The call has ended, or was not made; what that lets through. */
  readonly over: (grant: Grant, isMade: boolean, nowMs: number) => readonly Grant[]
}

/** As many wait at any time. */
const WAITING = 64
const HOUR_MS = 3_600_000
const RESOURCE_ID = 'referee'

/** The limiter's core, configured as a user would: the provider's limits and the jitter of the way. */
export function core({ limits, jitterMs }: { limits: readonly Limit[]; jitterMs: number }): Pacer {
  const state = createState()
  let asked = 0
  let granted = 0
  const resource: Resource = { ...RESOURCE_DEFAULTS, id: RESOURCE_ID, unit: 'requests', limits, jitterMs }
  const told = (event: LimiterEvent): readonly Grant[] => grantsOf(step(state, event))
  const grantsOf = (effects: readonly Effect[]): readonly Grant[] => {
    const grants = effects.filter((effect) => effect.kind === 'granted')
    granted += grants.length
    return grants
  }
  const ask = (atMs: number): readonly Grant[] => {
    const grants: Grant[] = []
    while (asked - granted < WAITING) {
      asked += 1
      grants.push(...told(reservation(asked, atMs)))
    }
    return grants
  }
  told({
    kind: 'configure',
    atMs: 0,
    version: 1,
    resources: { [RESOURCE_ID]: resource },
    tiers: { standard: { points: 20, weight: 1 } },
    clients: {},
  })
  return {
    grants: (nowMs) => [...told({ kind: 'tick', atMs: nowMs }), ...ask(nowMs)],
    wakeMs: () => nextWakeMs(state),
    over({ id }, isMade, nowMs) {
      // A grant that was given back has used nothing, and the provider never saw it.
      const grants = told({ kind: 'settle', atMs: nowMs, id, actual: isMade ? null : [] })
      return [...grants, ...ask(nowMs)]
    },
  }
}

function reservation(nth: number, atMs: number): LimiterEvent {
  return {
    kind: 'reserve',
    atMs,
    id: `call-${nth}`,
    clientId: 'load',
    tier: 'standard',
    maxConcurrent: null,
    urgency: 'normal',
    demand: [[RESOURCE_ID, 1]],
    enqueuedAtMs: atMs,
    waitUntilMs: atMs + HOUR_MS,
    leaseMs: HOUR_MS,
  }
}

/** The bucket of most libraries: as large as the limit, refilled at the limit, and nothing known of the way. */
export function usualBucket({ capacity, perMinute }: { capacity: number; perMinute: number }): Pacer {
  let [level, asOfMs, nth] = [capacity, -1, 0]
  const refill = (nowMs: number): void => {
    if (asOfMs >= 0) level = Math.min(capacity, level + ((nowMs - asOfMs) * perMinute) / 60_000)
    asOfMs = nowMs
  }
  return {
    grants(nowMs) {
      refill(nowMs)
      const grants: Grant[] = []
      for (; level >= 1; level -= 1) {
        grants.push({ id: `call-${(nth += 1)}`, atMs: nowMs, startByMs: Infinity })
      }
      return grants
    },
    wakeMs: (nowMs) => nowMs + Math.ceil(((1 - level) * 60_000) / perMinute),
    over: () => [],
  }
}
