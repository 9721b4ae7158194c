// The offline referee: recomputes from the arrivals alone whether the limits of the scenario were kept, with other
// formulas than the simulator's, so that an error of the one does not hide in the other.
//
// K1  An admitted call that its limits had no room for is a violation: the provider let through too much.
// K2  A rejected call that all limits had room for is unjust: the provider let through too little.
// K3  Whoever called is at fault for every other rejection: they are the 429s that a good limiter avoids.

import { openLedger, type Ledger } from './checker-ledgers.ts'
import type { Arrival, Entry } from './log.ts'
import { groupKey, sizeOf, type Group, type LimitRule, type Scenario } from './scenario.ts'

export type Finding = {
  readonly kind: 'violation' | 'unjust-rejection'
  readonly seq: number
  readonly atMs: number
  readonly limit: string
  readonly detail: string
}

export type LimitUse = {
  readonly limit: string
  readonly admitted: number
  readonly rejected: number
  readonly units: number
  /** Most that the limit ever carried, of `size`. */
  readonly peak: number
  readonly size: number
  /** Units admitted over the most that the limit lets through from its first to its last arrival; null with no arrival. */
  readonly use: number | null
}

export type Verdict = {
  readonly arrivals: number
  readonly admitted: number
  readonly rejected: number
  /** At most FINDINGS_MAX of them; `violations` and `unjust` count all. */
  readonly findings: readonly Finding[]
  readonly violations: number
  readonly unjust: number
  readonly uses: readonly LimitUse[]
}

const FINDINGS_MAX = 100

/** Judges a log; `scenario` replaces the ones that the log itself names. */
export function check(entries: Iterable<Entry>, scenario?: Scenario): Verdict {
  const findings: Finding[] = []
  const counts = { arrivals: 0, admitted: 0, rejected: 0, violations: 0, unjust: 0 }
  const closed: Tally[] = []
  let groups = scenario === undefined ? new Map<string, CheckedGroup>() : groupsOf(scenario)

  const report = (
    kind: Finding['kind'],
    entry: Arrival,
    { name, detail }: { name: string; detail: string },
  ) => {
    counts[kind === 'violation' ? 'violations' : 'unjust'] += 1
    if (findings.length < FINDINGS_MAX) {
      findings.push({ kind, seq: entry.seq, atMs: entry.atMs, limit: name, detail })
    }
  }

  for (const entry of entries) {
    if (entry.kind === 'scenario') {
      if (scenario !== undefined) continue
      const next = groupsOf(entry.scenario)
      for (const [key, before] of groups) {
        const after = next.get(key)
        if (entry.keepsCounters && after !== undefined && after.text === before.text) next.set(key, before)
        else closed.push(...before.tallies)
      }
      groups = next
      continue
    }
    const group = groups.get(entry.key)
    if (entry.kind === 'end') {
      for (const { ledger, rule } of group?.tallies ?? []) {
        ledger.end(entry.call, group?.refunds === true ? entry.actual[rule.dimension] : undefined, entry.atMs)
      }
      continue
    }
    counts.arrivals += 1
    counts[entry.decision] += 1
    if (group === undefined) {
      report('violation', entry, { name: entry.key, detail: 'the scenario has no such group' })
    } else judge(group, entry, report)
  }

  const tallies = [...closed, ...[...groups.values()].flatMap((group) => group.tallies)]
  return { ...counts, findings, uses: tallies.filter(({ firstMs }) => firstMs !== null).map(useOf) }
}

type Report = (kind: Finding['kind'], entry: Arrival, what: { name: string; detail: string }) => void

function judge(group: CheckedGroup, entry: Arrival, report: Report): void {
  const touched = group.tallies.filter(({ rule }) => (entry.cost[rule.dimension] ?? 0) > 0)
  const isAdmitted = entry.decision === 'admitted'
  let isFull = false
  for (const tally of touched) {
    const units = entry.cost[tally.rule.dimension] ?? 0
    const load = tally.ledger.load(entry.atMs)
    const isOver = load + units > sizeOf(tally.rule) + ROUNDING
    isFull ||= isOver
    if (isOver && isAdmitted) {
      const detail = `${units} units on a load of ${load.toFixed(3)}, ${sizeOf(tally.rule)} at most`
      report('violation', entry, { name: tally.name, detail })
    }
    const charged = isAdmitted ? units : chargedThoughRejected(group, tally, { units, load })
    if (charged > 0) tally.ledger.charge(entry.seq, charged, entry.atMs)
    count(tally, { entry, units: isAdmitted ? units : 0 })
  }
  if (!isAdmitted && !isFull) {
    report('unjust-rejection', entry, { name: entry.key, detail: 'every limit had room' })
  }
}

/** Buckets are recomputed in floating point; their error stays far below a thousandth of a unit. */
const ROUNDING = 1e-3

function chargedThoughRejected(
  group: CheckedGroup,
  { rule }: Tally,
  { units, load }: { units: number; load: number },
): number {
  if (!group.chargesRejected || rule.type === 'concurrency') return 0
  return Math.max(0, Math.min(units, Math.floor(sizeOf(rule) - load + ROUNDING)))
}

type Tally = {
  readonly name: string
  readonly rule: LimitRule
  readonly ledger: Ledger
  admitted: number
  rejected: number
  units: number
  peak: number
  firstMs: number | null
  lastMs: number
}

type CheckedGroup = {
  readonly text: string
  readonly refunds: boolean
  readonly chargesRejected: boolean
  readonly tallies: readonly Tally[]
}

function groupsOf(scenario: Scenario): Map<string, CheckedGroup> {
  return new Map(scenario.groups.map((group) => [groupKey(group.account, group.family), openGroup(group)]))
}

function openGroup(group: Group): CheckedGroup {
  const key = groupKey(group.account, group.family)
  return {
    text: JSON.stringify(group),
    refunds: group.refund === 'at-completion',
    chargesRejected: group.chargeRejected,
    tallies: group.limits.map((rule) => ({
      name: `${key} ${rule.dimension} ${describe(rule)}`,
      rule,
      ledger: openLedger(rule),
      admitted: 0,
      rejected: 0,
      units: 0,
      peak: 0,
      firstMs: null,
      lastMs: 0,
    })),
  }
}

function count(tally: Tally, { entry, units }: { entry: Arrival; units: number }): void {
  tally[entry.decision] += 1
  tally.units += units
  tally.firstMs ??= entry.atMs
  tally.lastMs = entry.atMs
  tally.peak = Math.max(tally.peak, tally.ledger.load(entry.atMs))
}

function useOf(tally: Tally): LimitUse {
  const { name, rule, ledger, admitted, rejected, units, peak } = tally
  const firstMs = tally.firstMs ?? 0
  const most = ledger.most(firstMs, tally.lastMs)
  const used = ledger.used?.(firstMs, tally.lastMs) ?? units
  return {
    limit: name,
    admitted,
    rejected,
    units,
    peak: Math.ceil(peak - ROUNDING),
    size: sizeOf(rule),
    use: most > 0 ? used / most : null,
  }
}

function describe(rule: LimitRule): string {
  switch (rule.type) {
    case 'token-bucket':
      return `${rule.capacity} + ${rule.refillUnits}/${rule.refillMs} ms`
    case 'sliding-window':
      return `${rule.units} in ${rule.windowMs} ms`
    case 'fixed-window':
      return `${rule.units} per ${rule.period} (${rule.timezone})`
    case 'concurrency':
      return `${rule.slots} at once`
    default:
      return rule satisfies never
  }
}
