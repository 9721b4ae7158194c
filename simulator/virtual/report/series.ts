// What the plots of a report show: a row of numbers each, over the same times.

import { quantile } from '../../../examples/replay/figures.ts'
import type { LimiterState } from '../../../limiter/state.ts'
import { availability } from '../../../limiter/view.ts'
import type { Fact } from '../facts.ts'
import { costMs, ratesOf, type Rate } from '../rates.ts'
import type { Scenario } from '../scenario.ts'

export const SAMPLES = 360

export type Line = { readonly name: string; readonly values: (number | null)[] }

export type Series = {
  /** Hours since the beginning. */
  readonly hours: number[]
  /** What is left of each limit in percent; negative is debt. */
  readonly left: readonly Line[]
  /** By tier: who waits, p95 of the waits in seconds that ended since the sample before, and the part of what was granted. */
  readonly depth: readonly Line[]
  readonly waits: readonly Line[]
  readonly shares: readonly Line[]
}

type Tier = { waiting: number; waitsMs: number[]; cost: number }

export function openSeries({ tiers, start }: Scenario) {
  const names = Object.keys(tiers)
  const lines = (): readonly Line[] => names.map((name) => ({ name, values: [] }))
  const series = { hours: [] as number[], depth: lines(), waits: lines(), shares: lines() }
  const left = new Map<string, Line>()
  const byTier = new Map<string, Tier>(names.map((name) => [name, { waiting: 0, waitsMs: [], cost: 0 }]))
  let rates: ReadonlyMap<string, Rate> = new Map()
  const startMs = Date.parse(start)

  function lookAtLimits(state: LimiterState, atMs: number): void {
    for (const { id, limits } of availability(state, atMs)) {
      for (const [at, { type, limit, remaining }] of limits.entries()) {
        const key = `${id} ${at}`
        const name = limits.length === 1 ? id : `${id}, ${type}`
        const line = left.get(key) ?? { name, values: series.hours.slice(1).map(() => null) }
        left.set(key, line)
        line.values.push(rounded((100 * remaining) / limit))
      }
    }
  }

  return {
    note(fact: Fact): void {
      if (fact.kind === 'configured') rates = ratesOf(fact.resources)
      if (!('request' in fact)) return
      const tier = byTier.get(fact.request.tier)
      if (tier === undefined) return
      if (fact.kind === 'queued') tier.waiting += 1
      if (fact.kind === 'left' && fact.waited) tier.waiting -= 1
      if (fact.kind !== 'granted') return
      if (fact.waited) tier.waiting -= 1
      tier.waitsMs.push(fact.atMs - fact.request.askedAtMs)
      tier.cost += costMs(fact.request.demand, rates) || 1
    },
    look(state: LimiterState, atMs: number): void {
      series.hours.push(rounded((atMs - startMs) / 3_600_000))
      lookAtLimits(state, atMs)
      const whole = [...byTier.values()].reduce((sum, { cost }) => sum + cost, 0)
      for (const [at, tier] of [...byTier.values()].entries()) {
        const p95Ms = quantile(
          tier.waitsMs.sort((a, b) => a - b),
          0.95,
        )
        series.depth[at]?.values.push(tier.waiting)
        series.waits[at]?.values.push(p95Ms === null ? null : rounded(p95Ms / 1_000))
        series.shares[at]?.values.push(whole === 0 ? null : rounded((100 * tier.cost) / whole))
        tier.waitsMs = []
        tier.cost = 0
      }
    },
    series: (): Series => ({ ...series, left: [...left.values()] }),
  }
}

/** Four digits are more than a plot shows. */
function rounded(value: number): number {
  return Number(value.toPrecision(4))
}
