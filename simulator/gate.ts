// The decision: a call is admitted where every limit of its group has room, and then all of them are charged; else
// none is.
//
// D1  Peek all, charge all: a rejected call leaves every limit as it was, unless rejected calls are charged.
// D2  A rejected call that is charged takes what is left at most, and never a slot.
// D3  An admitted call ends once; then its slots are free, and its actual use replaces its charge where the group says so.

import type { Clock } from './clock.ts'
import { openLimit } from './limits/open-limit.ts'
import type { ProviderLimit } from './limits/provider-limit.ts'
import type { Log } from './log.ts'
import { groupKey, sizeOf, type Group, type LimitRule, type Scenario } from './scenario.ts'

export type Cost = Readonly<Record<string, number>>

/** A limit as its provider would tell of it. */
export type LimitView = {
  readonly rule: LimitRule
  readonly size: number
  readonly remaining: number
  readonly fullAtMs: number
}

export type Verdict = {
  readonly group: Group
  readonly atMs: number
  readonly limits: readonly LimitView[]
} & (
  | {
      readonly kind: 'admitted'
      /** Ends the call; a second time does nothing. */
      readonly end: (actual: Cost) => void
    }
  | { readonly kind: 'rejected'; readonly limit: LimitView; readonly retryAfterMs: number | null }
)

export type Gate = {
  readonly scenario: Scenario
  /** Number of the last entry of the log; part of the ids that providers make up. */
  readonly lastSeq: number
  /** The group that limits a family of an account; undefined where the provider knows neither. */
  find(account: string, family: string): Group | undefined
  decide(call: { readonly group: Group; readonly endpoint: string; readonly cost: Cost }): Verdict
  /** Other limits from now on. Groups that are in both keep their counters; the calls of others end without effect. */
  load(scenario: Scenario): void
  /** The same with nothing charged anywhere. */
  reset(scenario: Scenario): void
}

type OpenGroup = { readonly group: Group; readonly limits: readonly OpenLimit[] }
type OpenLimit = { readonly rule: LimitRule; readonly limit: ProviderLimit }

/** Every call is one call in flight, whatever else it costs. */
const IN_FLIGHT = 'calls'

export function openGate(options: { scenario: Scenario; clock: Clock; log: Log }): Gate {
  const { clock, log } = options
  let scenario = options.scenario
  let groups = new Map<string, OpenGroup>()
  let lastUs = -Infinity

  const now = (): number => (lastUs = Math.max(lastUs, clock()))
  const open = (next: Scenario, keepsCounters: boolean): void => {
    const atUs = now()
    const before = keepsCounters ? groups : new Map<string, OpenGroup>()
    groups = new Map(
      next.groups.map((group) => {
        const known = before.get(keyOf(group))
        const isSame = known !== undefined && JSON.stringify(known.group) === JSON.stringify(group)
        return [keyOf(group), isSame ? known : openGroup(group, atUs)]
      }),
    )
    scenario = next
    log.append({ kind: 'scenario', atMs: atUs / 1_000, scenario, keepsCounters })
  }
  open(scenario, false)

  return {
    get scenario() {
      return scenario
    },
    get lastSeq() {
      return log.nextSeq - 1
    },
    find(account, family) {
      const found = groups.get(groupKey(account, family)) ?? groups.get(groupKey(account, '*'))
      return found?.group
    },
    decide({ group, endpoint, cost: given }) {
      const atUs = now()
      const called = groups.get(keyOf(group)) ?? openGroup(group, atUs)
      const cost: Cost = { ...given, [IN_FLIGHT]: 1 }
      const costOf = ({ rule }: OpenLimit): number => cost[rule.dimension] ?? 0
      const blocked = called.limits.findIndex(
        (each) => costOf(each) > 0 && each.limit.remaining(atUs) < costOf(each),
      )
      const isAdmitted = blocked === -1
      const id = log.nextSeq

      for (const each of called.limits) {
        const units = isAdmitted ? costOf(each) : rejectedCharge(group, each, { units: costOf(each), atUs })
        if (units > 0) each.limit.charge(id, units, atUs)
        if (!isAdmitted) each.limit.end(id)
      }
      const retryAfterMs = isAdmitted ? null : retryAfter(called.limits, { costOf, atUs })
      log.append({
        kind: 'arrival',
        atMs: atUs / 1_000,
        key: keyOf(group),
        endpoint,
        cost,
        decision: isAdmitted ? 'admitted' : 'rejected',
        limit: isAdmitted ? null : blocked,
        retryAfterMs,
        remaining: called.limits.map(({ limit }) => limit.remaining(atUs)),
      })

      const limits = called.limits.map((each) => viewOf(each, atUs))
      const told = { group, atMs: atUs / 1_000, limits }
      const limit = limits[blocked]
      if (limit !== undefined) return { kind: 'rejected', ...told, limit, retryAfterMs }
      return { kind: 'admitted', ...told, end: onceOnly((actual) => end(called, { id, actual })) }
    },
    load: (next) => open(next, true),
    reset: (next) => open(next, false),
  }

  function end(called: OpenGroup, { id, actual }: { id: number; actual: Cost }): void {
    const atUs = now()
    for (const { rule, limit } of called.limits) {
      const units = actual[rule.dimension]
      if (called.group.refund === 'at-completion' && units !== undefined) limit.correct(id, units, atUs)
      limit.end(id)
    }
    // A call that began under other limits is not in the log that the current ones are checked by.
    if (groups.get(keyOf(called.group)) !== called) return
    log.append({ kind: 'end', atMs: atUs / 1_000, call: id, key: keyOf(called.group), actual })
  }
}

function openGroup(group: Group, atUs: number): OpenGroup {
  return { group, limits: group.limits.map((rule) => ({ rule, limit: openLimit(rule, atUs) })) }
}

function keyOf({ account, family }: Group): string {
  return groupKey(account, family)
}

function viewOf({ rule, limit }: OpenLimit, atUs: number): LimitView {
  return {
    rule,
    size: sizeOf(rule),
    remaining: Math.max(0, limit.remaining(atUs)),
    fullAtMs: limit.fullAtUs(atUs) / 1_000,
  }
}

/** D2. */
function rejectedCharge(
  group: Group,
  each: OpenLimit,
  { units, atUs }: { units: number; atUs: number },
): number {
  if (!group.chargeRejected || each.rule.type === 'concurrency') return 0
  return Math.max(0, Math.min(units, each.limit.remaining(atUs)))
}

/** When the call would fit all limits if nothing else came; null where that cannot be foreseen. */
function retryAfter(
  limits: readonly OpenLimit[],
  { costOf, atUs }: { costOf: (each: OpenLimit) => number; atUs: number },
): number | null {
  let latestUs = atUs
  for (const each of limits) {
    if (costOf(each) === 0) continue
    const fitsAtUs = each.limit.fitsAtUs(costOf(each), atUs)
    if (fitsAtUs === null) return null
    latestUs = Math.max(latestUs, fitsAtUs)
  }
  return (latestUs - atUs) / 1_000
}

function onceOnly(run: (actual: Cost) => void): (actual: Cost) => void {
  let isDone = false
  return (actual) => {
    if (isDone) return
    isDone = true
    run(actual)
  }
}
