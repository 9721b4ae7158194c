// The decision: a call is admitted where every limit of its group has room, and then all of them are charged; else
// none is.
//
// D1  Peek all, charge all: a rejected call leaves every limit as it was, unless rejected calls are charged.
// D2  A rejected call that is charged takes what is left at most, and never a slot.
// D3  An admitted call ends once; then its slots are free, and its actual use replaces its charge where the group says so.
// D4  A caller that goes ends its call, unless a limit of the group frees its slots by the answer alone.
// D5  Where output is charged as it is produced, every part is a charge of its own, at its own time, room or not.

import type { Clock } from './clock.ts'
import { openLimit } from './limits/open-limit.ts'
import type { Fate, ProviderLimit } from './limits/provider-limit.ts'
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
      /** The caller has gone; whether that ended the call. */
      readonly leave: (actual: Cost) => boolean
      /** Tells what the call has used so far, for groups that charge in real time. */
      readonly produce: (soFar: Cost) => void
      readonly fates: readonly TimedFate[]
    }
  | { readonly kind: 'rejected'; readonly limit: LimitView; readonly retryAfterMs: number | null }
)

/** By the index of the limit that queues it. */
export type TimedFate = { readonly limit: number; readonly kind: Fate['kind']; readonly atMs: number }

export type Call = {
  readonly group: Group
  readonly endpoint: string
  readonly cost: Cost
  /** Noted in the log. */
  readonly fault?: string | undefined
}

export type Gate = {
  readonly scenario: Scenario
  /** Number of the last entry of the log. */
  readonly lastSeq: number
  /** A new number for the ids that providers make up. */
  nextId(): number
  /** The provider's clock, in milliseconds with a fraction. */
  nowMs(): number
  /** The group that limits a family of an account; undefined where the provider knows neither. */
  find(account: string, family: string): Group | undefined
  decide(call: Call): Verdict
  /** Notes a call that is refused whatever the limits say; nothing is charged. */
  refuse(call: Call & { readonly fault: string }): void
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
  let ids = 0

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
    nextId: () => (ids += 1),
    nowMs: () => now() / 1_000,
    find(account, family) {
      const found = groups.get(groupKey(account, family)) ?? groups.get(groupKey(account, '*'))
      return found?.group
    },
    decide({ group, endpoint, cost: given, fault }) {
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
      const fates = isAdmitted ? fatesOf(called.limits, id) : []
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
        ...(fates.length > 0 ? { fates } : {}),
        ...(fault === undefined ? {} : { fault }),
      })

      const limits = called.limits.map((each) => viewOf(each, atUs))
      const told = { group, atMs: atUs / 1_000, limits }
      const limit = limits[blocked]
      if (limit !== undefined) return { kind: 'rejected', ...told, limit, retryAfterMs }
      return { kind: 'admitted', ...told, ...callOf(called, { id, cost }), fates }
    },
    refuse({ group, endpoint, cost, fault }) {
      const atUs = now()
      log.append({
        kind: 'arrival',
        atMs: atUs / 1_000,
        key: keyOf(group),
        endpoint,
        cost,
        decision: 'rejected',
        limit: null,
        retryAfterMs: null,
        remaining: groups.get(keyOf(group))?.limits.map(({ limit }) => limit.remaining(atUs)) ?? [],
        fault,
      })
    },
    load: (next) => open(next, true),
    reset: (next) => open(next, false),
  }

  /** What an admitted call may still do. */
  function callOf(
    called: OpenGroup,
    { id, cost }: { id: number; cost: Cost },
  ): Pick<Extract<Verdict, { kind: 'admitted' }>, 'end' | 'leave' | 'produce'> {
    const { group, limits } = called
    const charged = new Map(Object.entries(cost))
    let isOver = false

    const produce = (soFar: Cost): void => {
      if (isOver || group.refund !== 'realtime') return
      const parts = Object.entries(soFar)
        .map(([dimension, units]) => [dimension, units - (charged.get(dimension) ?? 0)] as const)
        .filter(([, units]) => units > 0)
      if (parts.length === 0) return
      const atUs = now()
      const debit = log.nextSeq
      for (const [dimension, units] of parts) {
        charged.set(dimension, (charged.get(dimension) ?? 0) + units)
        for (const { rule, limit } of limits) {
          if (rule.dimension !== dimension) continue
          limit.charge(debit, units, atUs)
          limit.end(debit)
        }
      }
      note(called, {
        kind: 'debit',
        atMs: atUs / 1_000,
        call: id,
        key: keyOf(group),
        cost: Object.fromEntries(parts),
      })
    }
    const end = (actual: Cost): void => {
      if (isOver) return
      produce(actual)
      isOver = true
      const atUs = now()
      for (const { rule, limit } of limits) {
        const units = actual[rule.dimension]
        if (group.refund === 'at-completion' && units !== undefined) limit.correct(id, units, atUs)
        limit.end(id)
      }
      note(called, { kind: 'end', atMs: atUs / 1_000, call: id, key: keyOf(group), actual })
    }
    const leave = (actual: Cost): boolean => {
      if (limits.some(({ rule }) => rule.type === 'concurrency' && rule.release === 'response')) return isOver
      end(actual)
      return true
    }
    return { end, leave, produce }
  }

  /** A call that began under other limits is not in the log that the current ones are checked by. */
  function note(called: OpenGroup, entry: Parameters<Log['append']>[0]): void {
    if (groups.get(keyOf(called.group)) === called) log.append(entry)
  }
}

function fatesOf(limits: readonly OpenLimit[], id: number): TimedFate[] {
  return limits.flatMap(({ limit }, index) => {
    const fate = limit.fateOf?.(id) ?? null
    return fate === null ? [] : [{ limit: index, kind: fate.kind, atMs: fate.atUs / 1_000 }]
  })
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
