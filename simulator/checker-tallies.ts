// What the referee keeps for every limit of a scenario: its own sum, and what is printed of it.

import type { Ledger } from './checker-ledger.ts'
import { openLedger } from './checker-ledgers.ts'
import type { Arrival } from './log.ts'
import { groupKey, sizeOf, type Group, type LimitRule, type Scenario } from './scenario.ts'

/** Sums in floating point stay within this many units of the truth. */
export const ROUNDING = 1e-5

export type LimitUse = {
  readonly limit: string
  readonly admitted: number
  readonly rejected: number
  readonly units: number
  /** Most that the limit ever carried (the worst window), of `size`, and when. */
  readonly peak: number
  readonly peakAtMs: number | null
  readonly size: number
  /** Units admitted over the most that the limit lets through from its first to its last arrival; null where that is unknown. */
  readonly use: number | null
}

export type Tally = {
  readonly name: string
  readonly rule: LimitRule
  readonly ledger: Ledger
  admitted: number
  rejected: number
  units: number
  peak: number
  peakAtMs: number | null
  firstMs: number | null
  lastMs: number
}

export type CheckedGroup = {
  readonly text: string
  readonly refunds: boolean
  readonly chargesRejected: boolean
  readonly tallies: readonly Tally[]
}

export function openGroups({ groups }: Scenario, startMs: number): Map<string, CheckedGroup> {
  return new Map(
    groups.map((group) => [groupKey(group.account, group.family), openGroup(group, startMs)] as const),
  )
}

function openGroup(group: Group, startMs: number): CheckedGroup {
  const key = groupKey(group.account, group.family)
  return {
    text: JSON.stringify(group),
    refunds: group.refund === 'at-completion',
    chargesRejected: group.chargeRejected,
    tallies: group.limits.map((rule) => ({
      name: `${key} ${rule.dimension} ${describe(rule)}`,
      rule,
      ledger: openLedger(rule, startMs),
      admitted: 0,
      rejected: 0,
      units: 0,
      peak: 0,
      peakAtMs: null,
      firstMs: null,
      lastMs: 0,
    })),
  }
}

export function count(tally: Tally, { entry, units }: { entry: Arrival; units: number }): void {
  tally[entry.decision] += 1
  tally.firstMs ??= entry.atMs
  noteUse(tally, { units, atMs: entry.atMs })
}

export function noteUse(tally: Tally, { units, atMs }: { units: number; atMs: number }): void {
  tally.units += units
  tally.lastMs = atMs
  const load = tally.ledger.load(atMs)
  if (load > tally.peak) [tally.peak, tally.peakAtMs] = [load, atMs]
}

export function useOf(tally: Tally): LimitUse {
  const { name, ledger, admitted, rejected, units, peak, peakAtMs } = tally
  const firstMs = tally.firstMs ?? 0
  const most = ledger.most(firstMs, tally.lastMs)
  const used = ledger.used?.(firstMs, tally.lastMs) ?? units
  return {
    limit: name,
    admitted,
    rejected,
    units,
    peak: Math.ceil(peak - ROUNDING),
    peakAtMs,
    size: ledger.sizeAt(peakAtMs ?? firstMs),
    use: most > 0 ? used / most : null,
  }
}

function describe(rule: LimitRule): string {
  switch (rule.type) {
    case 'token-bucket':
      return `${rule.capacity} + ${rule.refillUnits}/${rule.refillMs} ms`
    case 'sliding-window':
      return `${rule.units} in ${rule.windowMs} ms`
    case 'sliding-counter':
      return `${rule.units} in ${rule.windowMs} ms, counted in two`
    case 'fixed-window':
      return `${rule.units} per ${rule.period} (${rule.timezone})`
    case 'clock-window':
      return `${rule.units} per ${rule.windowMs} ms of the clock`
    case 'first-hit-window':
      return `${rule.units} in ${rule.windowMs} ms from a first call`
    case 'quantised':
      return `${sizeOf(rule)} per ${rule.quantumMs} ms of ${rule.units} per ${rule.windowMs} ms`
    case 'concurrency':
      return `${rule.slots} at once`
    case 'slew':
      return `${rule.units} per ${rule.windowMs} ms, + ${rule.growthPercent} % per ${rule.periodMs} ms`
    case 'spend-cap':
      return `${rule.units} until ${new Date(rule.untilMs).toISOString()}`
    case 'queue-then-expire':
      return `queued, ${rule.refillUnits}/${rule.refillMs} ms, ${rule.ttlMs} ms at most`
    case 'hidden-adaptive':
      return `hidden, ${rule.schedule.map(({ units }) => units).join(', ')} in ${rule.windowMs} ms`
    default:
      return rule satisfies never
  }
}
