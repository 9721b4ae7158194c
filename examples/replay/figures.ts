// The figures of a replay, from what the system and the provider say about it.
//
// F1  Money is added as integers of nano-USD, never as floats.
// F2  Use of a limit while requests wait for it: what was charged in that time, over what the refill gave in it plus
//     what the bucket held at its beginning, above the part that jitter keeps back. It is told twice: by the moments
//     of the grants, which is what the limiter did, and by the arrivals at the provider, which is what came of it.

import { nano, parseUsd, sumUsd, type NanoUsd } from '../../domain/money.ts'
import type { Arrival, Entry } from '../../simulator/log.ts'
import type { Execution } from './answers.ts'
import type { Client, Tier } from './casting.ts'
import { JITTER_MS, type Bucket } from './plan.ts'

/** A wait that is longer than what the way itself takes: the request waited for the limit. */
const WAITED_MS = 500

export type Wait = { readonly requestId: string; readonly beganMs: number; readonly endedMs: number }

/** From admission to the grant; undefined where there was none. */
export function waitOf({ requestId, timeline }: Execution): Wait | undefined {
  const at = (state: string): number => Date.parse(timeline.find((step) => step.state === state)?.at ?? '')
  const beganMs = at('admitted')
  const grantedMs = at('granted')
  const endedMs = Number.isNaN(grantedMs) ? at('executing') : grantedMs
  return Number.isNaN(beganMs) || Number.isNaN(endedMs) ? undefined : { requestId, beganMs, endedMs }
}

export type TierWaits = {
  readonly tier: Tier
  readonly requests: number
  readonly p50Ms: number | null
  readonly p95Ms: number | null
}

export function waitsByTier(
  executions: readonly Execution[],
  { clients, tiers }: { clients: readonly Client[]; tiers: readonly Tier[] },
): readonly TierWaits[] {
  const tierOf = new Map(clients.map(({ id, tier }) => [id, tier]))
  return tiers.map((tier) => {
    const of = executions.filter(({ clientId }) => tierOf.get(clientId) === tier)
    const waits = of
      .flatMap((execution) => waitOf(execution) ?? [])
      .map(({ beganMs, endedMs }) => endedMs - beganMs)
      .toSorted((a, b) => a - b)
    return { tier, requests: of.length, p50Ms: quantile(waits, 0.5), p95Ms: quantile(waits, 0.95) }
  })
}

/** The smallest value that at least `q` of the values do not exceed; null where there is none. */
export function quantile(sorted: readonly number[], q: number): number | null {
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? null
}

export function countStates(executions: readonly Execution[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const { state } of executions) counts[state] = (counts[state] ?? 0) + 1
  return counts
}

/** F1. Throws where an amount is no decimal string of USD. */
export function addUp(amounts: readonly (string | number)[]): NanoUsd {
  return sumUsd(
    amounts.map((amount) => {
      const parsed = parseUsd(String(amount))
      if (parsed === null) throw new Error(`${JSON.stringify(amount)} is no amount of USD`)
      return nano(parsed)
    }),
  )
}

export function arrivalsOf(entries: readonly Entry[], key: string): readonly Arrival[] {
  return entries.filter((entry): entry is Arrival => entry.kind === 'arrival' && entry.key === key)
}

export type Backlog = { readonly beganMs: number; readonly endedMs: number }

/** From when the first request that had to wait began to, to the last grant of one; null where none waited. */
export function backlogOf(waits: readonly Wait[]): Backlog | null {
  const long = waits.filter(({ beganMs, endedMs }) => endedMs - beganMs > WAITED_MS)
  if (long.length === 0) return null
  return {
    beganMs: Math.min(...long.map(({ beganMs }) => beganMs)),
    endedMs: Math.max(...long.map(({ endedMs }) => endedMs)),
  }
}

export type Charge = { readonly atMs: number; readonly tokens: number }

/** Tokens reserved, at the moment of the first grant. */
export function grantCharges(executions: readonly Execution[], resourceId: string): readonly Charge[] {
  return executions.flatMap((execution) => {
    const wait = waitOf(execution)
    const tokens = execution.resources.reserved[resourceId] ?? 0
    return wait === undefined ? [] : { atMs: wait.endedMs, tokens }
  })
}

/** Tokens charged by the provider, at their arrival. */
export function arrivalCharges(arrivals: readonly Arrival[]): readonly Charge[] {
  return arrivals
    .filter(({ decision }) => decision === 'admitted')
    .map(({ atMs, cost }) => ({ atMs, tokens: cost['tokens'] ?? 0 }))
}

/** F2. */
export function useOfLimit(
  charges: readonly Charge[],
  { bucket, backlog }: { bucket: Bucket; backlog: Backlog },
): number {
  const perMs = bucket.refillUnits / bucket.refillMs
  const capacity = bucket.capacity - perMs * JITTER_MS
  const inOrder = charges.toSorted((a, b) => a.atMs - b.atMs)
  let level = capacity
  let atMs = -Infinity
  const refillTo = (nextMs: number): void => {
    level = Math.min(capacity, level + (nextMs - atMs) * perMs)
    atMs = nextMs
  }
  for (const charge of inOrder.filter((each) => each.atMs < backlog.beganMs)) {
    refillTo(charge.atMs)
    level -= charge.tokens
  }
  refillTo(backlog.beganMs)
  const during = inOrder.filter((each) => each.atMs >= backlog.beganMs && each.atMs <= backlog.endedMs)
  const charged = during.reduce((sum, { tokens }) => sum + tokens, 0)
  return charged / (level + (backlog.endedMs - backlog.beganMs) * perMs)
}
