// Streams of arrivals against a limiter, in virtual time.

import type { Urgency } from '../../domain/priority.ts'
import type { LimiterEvent } from '../../limiter/event.ts'
import type { LimiterState } from '../../limiter/state.ts'
import { nextWakeMs, step } from '../../limiter/step.ts'
import { reserve, settle, T0, TIERS } from './fixture.ts'

export const MINUTE = 60_000
export const HOUR = 60 * MINUTE

export type Stream = {
  readonly client: string
  readonly tier: keyof typeof TIERS
  readonly urgency: Urgency
  readonly units: number
  readonly everyMs: number
}

export type Served = {
  readonly id: string
  readonly waitMs: number
  readonly units: number
  readonly atMs: number
}

/** Lets streams of arrivals run against a limiter for a while of virtual time; answers what each stream got. */
export function simulate(
  state: LimiterState,
  streams: readonly Stream[],
  forMs: number,
): Map<string, Served[]> {
  const served = new Map<string, Served[]>(streams.map(({ client }) => [client, []]))
  const next = streams.map((stream, at) => ({ stream, atMs: at, nth: 0 }))
  const asked = new Map<string, { client: string; atMs: number; units: number }>()
  function tell(event: LimiterEvent): void {
    for (const effect of step(state, event)) {
      if (effect.kind !== 'granted') continue
      const request = asked.get(effect.id)
      if (request === undefined) continue
      const waitMs = effect.atMs - T0 - request.atMs
      served
        .get(request.client)
        ?.push({ id: effect.id, waitMs, units: request.units, atMs: effect.atMs - T0 })
      step(state, settle(effect.id, effect.atMs - T0))
    }
  }
  for (;;) {
    const arrival = next.reduce((first, one) => (one.atMs < first.atMs ? one : first))
    const wakeMs = (nextWakeMs(state) ?? Number.MAX_SAFE_INTEGER) - T0
    if (Math.min(arrival.atMs, wakeMs) > forMs) return served
    if (wakeMs < arrival.atMs) {
      tell({ kind: 'tick', atMs: T0 + wakeMs })
      continue
    }
    const { client, tier, urgency, units, everyMs } = arrival.stream
    const id = `${client}-${arrival.nth}`
    asked.set(id, { client, atMs: arrival.atMs, units })
    tell(
      reserve(id, arrival.atMs, units, {
        clientId: client,
        tier,
        urgency,
        waitUntilMs: T0 + 1e9,
        leaseMs: 1_000,
      }),
    )
    arrival.nth += 1
    arrival.atMs += everyMs
  }
}
