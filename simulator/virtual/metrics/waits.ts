// Waits from the request to the grant by tier, what the largest requests wait for being large, and how good the first
// prediction was.
//
// Q1  The largest 1 % of a tier are compared with all of that tier; where all are as large, there are none.
//     Below a second nobody asks who waited longer.
// Q2  Predictions are told of those that had to wait, and judged where they waited a second or more; none at all
//     counts as an error of the whole wait.
// Q3  Tiers are compared in the order of their points.

import { quantile } from '../../../examples/replay/figures.ts'
import type { Fact } from '../facts.ts'
import { costMs, ratesOf, type Rate } from '../rates.ts'
import type { Figures } from './figure.ts'

const NOTABLE_MS = 1_000
const LARGEST_PART = 0.01

export type TierWaits = {
  readonly tier: string
  readonly granted: number
  readonly p50Ms: number
  readonly p95Ms: number
  readonly p99Ms: number
}

type Wait = { readonly ms: number; readonly cost: number }

export function openWaits(tiers: Readonly<Record<string, { readonly points: number }>>) {
  const tierIds = Object.entries(tiers)
    .sort(([, a], [, b]) => b.points - a.points)
    .map(([id]) => id)
  const byTier = new Map<string, Wait[]>(tierIds.map((id) => [id, []]))
  const predicted = new Map<string, number | null>()
  const errors: number[] = []
  let rates: ReadonlyMap<string, Rate> = new Map()
  let unserved = 0

  return {
    note(fact: Fact): void {
      switch (fact.kind) {
        case 'configured':
          rates = ratesOf(fact.resources)
          return
        case 'queued':
          predicted.set(fact.request.id, fact.etaMs)
          return
        case 'granted': {
          const { id, tier, demand, askedAtMs } = fact.request
          const ms = fact.atMs - askedAtMs
          byTier.get(tier)?.push({ ms, cost: costMs(demand, rates) })
          const etaMs = predicted.get(id)
          predicted.delete(id)
          if (etaMs === undefined || ms < NOTABLE_MS) return
          errors.push(etaMs === null ? 1 : Math.abs(etaMs - fact.atMs) / ms)
          return
        }
        case 'left':
          predicted.delete(fact.request.id)
          unserved += 1
          return
        case 'asked':
        case 'ended':
        case 'over':
          return
        default:
          return fact satisfies never
      }
    },
    tiers(): readonly TierWaits[] {
      return [...byTier].flatMap(([tier, waits]) => {
        if (waits.length === 0) return []
        const sorted = sortedMs(waits)
        const at = (q: number): number => quantile(sorted, q) ?? 0
        return [{ tier, granted: waits.length, p50Ms: at(0.5), p95Ms: at(0.95), p99Ms: at(0.99) }]
      })
    },
    figures(): Figures {
      const sorted = errors.toSorted((a, b) => a - b)
      const penalties = [...byTier.values()].map(penaltyOf).filter((penalty) => penalty !== null)
      return {
        'tier-order': orderOf([...byTier.values()]),
        'big-penalty': penalties.length === 0 ? null : Math.max(...penalties),
        'eta-p50': quantile(sorted, 0.5),
        'eta-p90': quantile(sorted, 0.9),
        unserved,
      }
    },
  }
}

/** Q1. */
function penaltyOf(waits: readonly Wait[]): number | null {
  const costs = waits.map(({ cost }) => cost).sort((a, b) => b - a)
  const largest = costs[Math.ceil(LARGEST_PART * costs.length) - 1] ?? 0
  const middle = quantile(costs, 0.5) ?? 0
  const large = waits.filter(({ cost }) => cost > middle && cost >= largest)
  if (large.length === 0) return null
  const [p99OfLarge = 0, p99OfAll = 0] = [large, waits].map((of) => quantile(sortedMs(of), 0.99) ?? 0)
  return p99OfLarge / Math.max(NOTABLE_MS, p99OfAll)
}

/** Q3. */
function orderOf(tiers: readonly (readonly Wait[])[]): number | null {
  const p95s = tiers.flatMap((waits) => quantile(sortedMs(waits), 0.95) ?? [])
  const [first, ...lower] = p95s
  if (first === undefined || lower.length === 0) return null
  return Math.max(...lower.map((wait, at) => (p95s[at] ?? 0) / Math.max(NOTABLE_MS, wait)))
}

function sortedMs(waits: readonly Wait[]): readonly number[] {
  return waits.map(({ ms }) => ms).sort((a, b) => a - b)
}
