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

/** One request for units of `gpt`. */
export type Arrival = Omit<Stream, 'everyMs'> & { readonly atMs: number }

/** Lets streams of arrivals run against a limiter for a while of virtual time; answers what each stream got. */
export function simulate(
  state: LimiterState,
  streams: readonly Stream[],
  forMs: number,
): Map<string, Served[]> {
  const served = new Map<string, Served[]>(streams.map(({ client }) => [client, []]))
  for (const [client, list] of serve(state, arrivalsOf(streams, forMs), forMs)) served.set(client, list)
  return served
}

/** In the order of time, then of the streams. */
export function arrivalsOf(streams: readonly Stream[], forMs: number): Arrival[] {
  return streams
    .flatMap(({ everyMs, ...rest }) =>
      Array.from({ length: Math.floor(forMs / everyMs) + 1 }, (_, nth) => ({ ...rest, atMs: nth * everyMs })),
    )
    .sort((a, b) => a.atMs - b.atMs)
}

/** Lets arrivals, in the order of time, run against a limiter until a time; answers what each client got. */
export function serve(
  state: LimiterState,
  arrivals: readonly Arrival[],
  untilMs: number,
): Map<string, Served[]> {
  const served = new Map<string, Served[]>()
  const asked = new Map<string, Arrival>()
  function tell(event: LimiterEvent): void {
    for (const effect of step(state, event)) {
      const request = effect.kind === 'granted' ? asked.get(effect.id) : undefined
      if (effect.kind !== 'granted' || request === undefined) continue
      const atMs = effect.atMs - T0
      const list = served.get(request.client) ?? []
      list.push({ id: effect.id, waitMs: atMs - request.atMs, units: request.units, atMs })
      served.set(request.client, list)
      step(state, settle(effect.id, atMs))
    }
  }
  for (let nth = 0; ;) {
    const arrival = arrivals[nth]
    const arrivesAtMs = arrival?.atMs ?? Number.MAX_SAFE_INTEGER
    const wakeMs = (nextWakeMs(state) ?? Number.MAX_SAFE_INTEGER) - T0
    if (Math.min(arrivesAtMs, wakeMs) > untilMs) return served
    if (wakeMs < arrivesAtMs || arrival === undefined) {
      tell({ kind: 'tick', atMs: T0 + wakeMs })
      continue
    }
    const { client, tier, urgency, units, atMs } = arrival
    const id = `${client}-${nth}`
    asked.set(id, arrival)
    const more = { clientId: client, tier, urgency, waitUntilMs: T0 + 1e9, leaseMs: 1_000 }
    tell(reserve(id, atMs, units, more))
    nth += 1
  }
}
