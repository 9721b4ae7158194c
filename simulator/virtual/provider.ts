// The providers of a scenario: the simulator's gate and log on virtual time, and the referee's verdict on that log.
// Each resource is an account of its own.

import type { Limit } from '../../domain/limit.ts'
import type { Resource } from '../../domain/resource.ts'
import { check, type Verdict } from '../checker.ts'
import { openGate, type Gate } from '../gate.ts'
import { openLog } from '../log.ts'
import { scenarioSchema, type Group, type LimitRule, type Scenario as Limits } from '../scenario.ts'

export type Providers = {
  /** A call arrives; `end` is null where it was rejected. */
  call(resourceId: string, units: number): { end: (units: number) => void } | null
  configure(resources: readonly Resource[]): void
  /** What the referee finds in the log. */
  judge(): Verdict
}

export function openProviders(resources: readonly Resource[], nowUs: () => number): Providers {
  const log = openLog(null, Number.MAX_SAFE_INTEGER)
  const gate: Gate = openGate({ scenario: limitsOf(resources), clock: nowUs, log })
  return {
    call(resourceId, units) {
      const group = gate.find(resourceId, '*')
      if (group === undefined) throw new Error(`there is no provider of ${resourceId}`)
      const verdict = gate.decide({ group, endpoint: '/work', cost: { units } })
      return verdict.kind === 'rejected' ? null : { end: (units) => verdict.end({ units }) }
    },
    configure: (next) => gate.load(limitsOf(next)),
    judge: () => check(log.after(0)),
  }
}

function limitsOf(resources: readonly Resource[]): Limits {
  return scenarioSchema.parse({ name: 'virtual', groups: resources.map(groupOf) })
}

function groupOf({ id, refund, limits }: Resource): Pick<Group, 'account' | 'refund' | 'limits'> {
  return {
    account: id,
    refund: refund === 'at-settle' ? 'at-completion' : 'none',
    limits: limits.map(ruleOf),
  }
}

function ruleOf(limit: Limit): LimitRule {
  const dimension = limit.per === 'reservation' ? 'calls' : 'units'
  switch (limit.type) {
    case 'token-bucket': {
      const { type, capacity, refillUnits, refillMs } = limit
      return { type, dimension, capacity, refillUnits, refillMs }
    }
    case 'sliding-window':
    case 'first-hit-window': {
      const { type, units, windowMs } = limit
      return { type, dimension, units, windowMs }
    }
    case 'sliding-counter':
    case 'clock-window': {
      const { type, units, windowMs, phaseMs = 0 } = limit
      return { type, dimension, units, windowMs, phaseMs }
    }
    case 'quantized-window': {
      const { units, windowMs, stepMs, phaseMs = 0 } = limit
      return { type: 'quantised', dimension, units, windowMs, quantumMs: stepMs, phaseMs }
    }
    case 'fixed-window': {
      const { type, units, period, timezone } = limit
      return { type, dimension, units, period, timezone }
    }
    case 'slew': {
      const { type, units, windowMs, growth, growthMs } = limit
      return { type, dimension, units, windowMs, growthPercent: growth / 100, periodMs: growthMs }
    }
    case 'spend-cap': {
      const { type, units, untilMs } = limit
      return { type, dimension, units, untilMs }
    }
    case 'adaptive': {
      const { units, windowMs } = limit
      return { type: 'hidden-adaptive', dimension, windowMs, schedule: [{ afterMs: 0, units }] }
    }
    case 'concurrency':
      return { type: 'concurrency', dimension, slots: limit.slots }
    default:
      return limit satisfies never
  }
}
