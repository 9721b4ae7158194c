// Configuration between the wire and the domain.

import { USD_UNIT, type Budget } from '../../domain/budget.ts'
import type { Limit } from '../../domain/limit.ts'
import { formatUsd, nano, parseUsd } from '../../domain/money.ts'
import { SLOT_UNIT, type Resource } from '../../domain/resource.ts'
import type { Tier } from '../../domain/tier.ts'
import type { Worker, WorkerTarget } from '../../domain/worker.ts'
import type { BudgetBody, ResourceBody, TierBody, WorkerBody } from '../schema/config.ts'

export function resourceFrom(id: string, body: ResourceBody): Resource {
  return { id, ...body, limits: body.limits.map((limit) => limitFrom(limit, body.unit)) }
}

/** A slot is a reservation, or a unit where the resource is counted in slots by itself. */
function limitFrom(limit: ResourceBody['limits'][number], unit: string): Limit {
  if (limit.type !== 'concurrency') return limit
  return { ...limit, per: limit.per ?? (unit === SLOT_UNIT ? 'unit' : 'reservation') }
}

export function resourceTo({ id: _, ...body }: Resource): ResourceBody {
  return { ...body, limits: [...body.limits] }
}

export function tierFrom(id: string, body: TierBody): Tier {
  return { id, ...body }
}

export function tierTo({ id: _, ...body }: Tier): TierBody {
  return body
}

export function budgetFrom(scope: string, body: BudgetBody): Budget {
  const { unit, period, timezone } = body
  const base = { scope, unit, period, timezone, amount: amountFrom(body.amount) }
  if (body.enforcement !== 'soft') return { ...base, enforcement: 'hard' }
  const { graceMs, overageMultiplier } = body
  return { ...base, enforcement: 'soft', graceMs, overageMultiplier, overageMax: amountFrom(body.overageMax) }
}

export function budgetTo(budget: Budget): BudgetBody {
  const { unit, period, timezone } = budget
  const base = { unit, period, timezone, amount: amountTo(unit, budget.amount) }
  if (budget.enforcement === 'hard') return { ...base, enforcement: 'hard' }
  const { graceMs, overageMultiplier, overageMax } = budget
  return { ...base, enforcement: 'soft', graceMs, overageMultiplier, overageMax: amountTo(unit, overageMax) }
}

/** An amount of a budget as it is told: a decimal string of USD, or an integer of the unit. */
export function amountTo(unit: string, amount: number): string | number {
  return unit === USD_UNIT ? formatUsd(nano(amount)) : amount
}

/** The schema has checked that text is an amount of USD. */
function amountFrom(amount: string | number): number {
  return typeof amount === 'number' ? amount : nano(parseUsd(amount) ?? Number.NaN)
}

export function workerFrom(name: string, body: WorkerBody): Worker {
  const { resourceRequirements, endpoints: _endpoints, taskQueue: _taskQueue, ...rest } = body
  return { name, ...rest, ...resourceRequirements, target: targetFrom(body) }
}

/** A planned worker has no target yet; it is refused before anybody would look for it there. */
const NOWHERE: WorkerTarget = { kind: 'task-queue', taskQueue: '' }

function targetFrom({ endpoints, taskQueue }: WorkerBody): WorkerTarget {
  if (endpoints !== undefined) {
    return {
      kind: 'http',
      executeUrl: endpoints.execute,
      healthUrl: endpoints.health,
      cancelUrl: endpoints.cancel,
    }
  }
  return taskQueue === undefined ? NOWHERE : { kind: 'task-queue', taskQueue }
}

export function workerTo({ name: _, typical, maximum, target, ...rest }: Worker): WorkerBody {
  const resourceRequirements = { typical: { ...typical }, maximum: { ...maximum } }
  return {
    ...rest,
    capabilities: [...rest.capabilities],
    retryPolicy: { ...rest.retryPolicy, backoffMs: [...rest.retryPolicy.backoffMs] },
    resourceRequirements,
    ...targetTo(target),
  }
}

function targetTo(target: WorkerTarget): Pick<WorkerBody, 'endpoints' | 'taskQueue'> {
  if (target.kind === 'http') {
    return { endpoints: { execute: target.executeUrl, health: target.healthUrl, cancel: target.cancelUrl } }
  }
  return target.taskQueue === '' ? {} : { taskQueue: target.taskQueue }
}
