// The offline referee: recomputes from the arrivals alone whether the limits of the scenario were kept, with other
// formulas than the simulator's, so that an error of the one does not hide in the other.
//
// K1  An admitted call that its limits had no room for is a violation: the provider let through too much. So is a
//     queued one that was sent otherwise than the queue's rate and patience allow.
// K2  A rejected call that all limits had room for is unjust: the provider let through too little.
// K3  Whoever called is at fault for every other rejection: they are the 429s that a good limiter avoids. Those that
//     the scenario made up without cause are nobody's.
// K4  Entries are numbered one after the other and their times never go back: a line that was taken out is a gap.
// K5  What the log says was left is what the referee finds left: a line that was doubled, or one that was changed,
//     is a miscount. A log may leave out what was left.

import { count, noteUse, openGroups, ROUNDING, useOf } from './checker-tallies.ts'
import type { CheckedGroup, LimitUse, Tally } from './checker-tallies.ts'
import type { Arrival, Entry } from './log.ts'
import type { Scenario } from './scenario.ts'

export type { LimitUse } from './checker-tallies.ts'

export type Finding = {
  readonly kind: 'violation' | 'unjust-rejection' | 'gap' | 'miscount'
  readonly seq: number
  readonly atMs: number
  readonly limit: string
  readonly detail: string
}

export type Verdict = {
  readonly arrivals: number
  readonly admitted: number
  readonly rejected: number
  /** Of the rejected ones, those that the scenario refused without cause. */
  readonly causeless: number
  /** At most FINDINGS_MAX of them; the four counts below count all. */
  readonly findings: readonly Finding[]
  readonly violations: number
  readonly unjust: number
  readonly gaps: number
  readonly miscounts: number
  readonly uses: readonly LimitUse[]
}

const FINDINGS_MAX = 100

type Report = (kind: Finding['kind'], entry: Entry, what: { name: string; detail: string }) => void

/** Judges a log; `scenario` replaces the ones that the log itself names, and then K5 is not asked. */
export function check(entries: Iterable<Entry>, scenario?: Scenario): Verdict {
  const findings: Finding[] = []
  const counts = { arrivals: 0, admitted: 0, rejected: 0, causeless: 0 }
  const found = { violation: 0, 'unjust-rejection': 0, gap: 0, miscount: 0 }
  const closed: Tally[] = []
  let groups: Map<string, CheckedGroup> | null = null
  let last: Entry | null = null

  const report: Report = (kind, entry, { name, detail }) => {
    found[kind] += 1
    if (findings.length < FINDINGS_MAX) {
      findings.push({ kind, seq: entry.seq, atMs: entry.atMs, limit: name, detail })
    }
  }

  for (const entry of entries) {
    judgeOrder(entry, last, report)
    last = entry
    groups ??= scenario === undefined ? new Map<string, CheckedGroup>() : openGroups(scenario, entry.atMs)
    if (entry.kind === 'scenario') {
      if (scenario !== undefined) continue
      const next = openGroups(entry.scenario, entry.atMs)
      for (const [key, before] of groups) {
        const after = next.get(key)
        if (entry.keepsCounters && after?.text === before.text) next.set(key, before)
        else closed.push(...before.tallies)
      }
      groups = next
      continue
    }
    const group = groups.get(entry.key)
    if (entry.kind !== 'arrival') {
      if (group !== undefined) goOn(group, entry)
      continue
    }
    counts.arrivals += 1
    counts[entry.decision] += 1
    if (group === undefined) {
      report('violation', entry, { name: entry.key, detail: 'the scenario has no such group' })
    } else if (isCauseless(entry)) counts.causeless += 1
    else {
      judge(group, entry, report)
      if (scenario === undefined) judgeRemaining(group, entry, report)
    }
  }

  const tallies = [
    ...closed,
    ...[...(groups ?? new Map<string, CheckedGroup>()).values()].flatMap((group) => group.tallies),
  ]
  return {
    ...counts,
    findings,
    violations: found.violation,
    unjust: found['unjust-rejection'],
    gaps: found.gap,
    miscounts: found.miscount,
    uses: tallies.filter(({ firstMs }) => firstMs !== null).map(useOf),
  }
}

function isCauseless({ decision, limit, fault }: Arrival): boolean {
  return decision === 'rejected' && limit === null && fault !== undefined
}

/** A call produces more, or ends. */
function goOn(group: CheckedGroup, entry: Extract<Entry, { kind: 'debit' | 'end' }>): void {
  for (const tally of group.tallies) {
    const { ledger, rule } = tally
    if (entry.kind === 'end') {
      ledger.end(entry.call, group.refunds ? entry.actual[rule.dimension] : undefined, entry.atMs)
      continue
    }
    const units = entry.cost[rule.dimension] ?? 0
    if (units === 0) continue
    ledger.charge(entry.seq, units, entry.atMs)
    noteUse(tally, { units, atMs: entry.atMs })
  }
}

function judge(group: CheckedGroup, entry: Arrival, report: Report): void {
  const touched = group.tallies.filter(({ rule }) => (entry.cost[rule.dimension] ?? 0) > 0)
  const isAdmitted = entry.decision === 'admitted'
  let isFull = false
  for (const tally of touched) {
    const { ledger, rule, name } = tally
    const units = entry.cost[rule.dimension] ?? 0
    const load = ledger.load(entry.atMs)
    const size = ledger.sizeAt(entry.atMs)
    const rounding = ledger.isExact ? 0 : ROUNDING
    isFull ||= load + units > size - rounding
    if (load + units > size + rounding && isAdmitted) {
      report('violation', entry, {
        name,
        detail: `${units} units on a load of ${load.toFixed(3)}, ${size} at most`,
      })
    }
    const left = Math.max(0, Math.floor(size - load + rounding))
    const isCharged = isAdmitted || (group.chargesRejected && rule.type !== 'concurrency')
    const charged = isAdmitted ? units : Math.min(units, left)
    if (isCharged && charged > 0) ledger.charge(entry.seq, charged, entry.atMs)
    count(tally, { entry, units: isAdmitted ? units : 0 })
  }
  if (isAdmitted) judgeFates(group, entry, report)
  else if (!isFull) report('unjust-rejection', entry, { name: entry.key, detail: 'every limit had room' })
}

/** K1, of what is accepted first and sent later. */
function judgeFates(group: CheckedGroup, entry: Arrival, report: Report): void {
  for (const [index, { ledger, name }] of group.tallies.entries()) {
    const want = ledger.fateOf?.(entry.seq)
    if (want === undefined || want === null) continue
    const told = entry.fates?.find(({ limit }) => limit === index)
    if (told?.kind === want.kind && Math.abs(told.atMs - want.atMs) < 0.0015) continue
    const detail = `${told?.kind ?? 'nothing'} at ${told?.atMs ?? '-'}, expected ${want.kind} at ${want.atMs}`
    report('violation', entry, { name, detail })
  }
}

/** K4. */
function judgeOrder(entry: Entry, last: Entry | null, report: Report): void {
  if (last === null) return
  if (entry.seq !== last.seq + 1) {
    report('gap', entry, { name: 'log', detail: `entry ${entry.seq} follows entry ${last.seq}` })
  } else if (entry.atMs < last.atMs) {
    report('gap', entry, {
      name: 'log',
      detail: `the clock went back by ${(last.atMs - entry.atMs).toFixed(3)} ms`,
    })
  }
}

/** K5. */
function judgeRemaining(group: CheckedGroup, entry: Arrival, report: Report): void {
  for (const [index, tally] of group.tallies.entries()) {
    const left = tally.ledger.sizeAt(entry.atMs) - tally.ledger.load(entry.atMs)
    const told = entry.remaining[index]
    if (told === undefined) continue
    const rounding = tally.ledger.isExact ? 0 : ROUNDING
    if (told >= Math.floor(left - rounding) && told <= Math.floor(left + rounding)) continue
    report('miscount', entry, { name: tally.name, detail: `${told} left, expected ${left.toFixed(3)}` })
  }
}
