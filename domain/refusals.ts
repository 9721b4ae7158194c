// Every way in which admission says no, with the members that go over the wire.

import { USD_UNIT, type Budget } from './budget.ts'
import type { Json, ProblemCode, Refusal } from './failure.ts'
import { formatUsd, nano, type NanoUsd } from './money.ts'

export function unknown(
  kind: 'client' | 'worker' | 'template' | 'tier' | 'resource',
  name: string,
  detail = `there is no ${kind} "${name}"`,
): Refusal {
  return refusal(`unknown-${kind}`, detail, { [kind]: name })
}

export function unknownPrice(resource: string): Refusal {
  return refusal('unknown-price', `the resource "${resource}" has no price that is in force`, { resource })
}

export function invalid(detail: string): Refusal {
  return refusal('invalid-request', detail, {})
}

type Sizes = { readonly limit: number; readonly needed: number; readonly size: number }

export function impossible(resource: string, { limit, needed, size }: Sizes): Refusal {
  return refusal(
    'impossible',
    `"${resource}" can never give ${needed}: its limit ${limit} admits at most ${size} at once`,
    { resource, limit, needed, size },
  )
}

export function costLimit(estimated: NanoUsd, max: NanoUsd): Refusal {
  const estimatedCostUsd = formatUsd(estimated)
  const maxCostUsd = formatUsd(max)
  const detail = `the estimated cost of ${estimatedCostUsd} USD is above the maximum of ${maxCostUsd} USD`
  return refusal('cost-limit', detail, { estimatedCostUsd, maxCostUsd })
}

export function queueFull(resource: string, size: number, retryAfterMs: number): Refusal {
  return refusal('queue-full', `${size} requests wait for "${resource}", and no more may`, {
    resource,
    size,
    retryAfterMs,
  })
}

export function dailyRequestsUsed(clientId: string, limit: number, retryAfterMs: number): Refusal {
  return refusal(
    'insufficient-resources',
    `the client "${clientId}" has used its ${limit} requests of today`,
    {
      resource: `client:${clientId}`,
      limit: 'dailyRequests',
      needed: 1,
      available: 0,
      retryAfterMs,
    },
  )
}

type Shortage = { readonly needed: number; readonly remaining: number; readonly resetsAtMs: number | null }

export function budgetExceeded(budget: Budget, { needed, remaining, resetsAtMs }: Shortage): Refusal {
  const { scope, unit, period, enforcement } = budget
  const inUnit = (amount: number) => amountOf(unit, amount)
  return refusal(
    'budget-exceeded',
    `the ${period} budget of "${scope}" has ${inUnit(remaining)} ${unit} left, and ${inUnit(needed)} is needed`,
    {
      scope,
      budget: { unit, period, amount: inUnit(budget.amount), enforcement },
      needed: inUnit(needed),
      remaining: inUnit(remaining),
      resetsAt: resetsAtMs === null ? null : new Date(resetsAtMs).toISOString(),
    },
  )
}

/** A key of a client may lower what the client may use, and raise nothing of it. */
export function mayNotRaise(raises: readonly string[]): Refusal {
  return refusal('forbidden', `only an operator may give more, and this ${raises.join(', ')}`, { raises })
}

export function nothingToCarve(scope: string, unit: string): Refusal {
  return refusal('conflict', `"${scope}" has no budget of ${unit} that a part could be carved out of`, {
    scope,
    unit,
  })
}

export function carvedElsewhere(scope: string, unit: string, fromScope: string): Refusal {
  const detail = `the budget of ${unit} of "${scope}" is carved out of "${fromScope}"; its scope must be ended first`
  return refusal('conflict', detail, { scope, unit, carvedFrom: fromScope })
}

export function offChain(scope: string, unit: string, other: string): Refusal {
  const detail = `"${other}" has a part of the ${unit} already: carve-outs of a path come each from the next above`
  return refusal('conflict', detail, { scope, unit, other })
}

type BudgetName = { readonly scope: string; readonly unit: string; readonly period: string }

export function noBudget({ scope, unit, period }: BudgetName): Refusal {
  return refusal('not-found', `"${scope}" has no ${period} budget of ${unit}`, { scope, unit, period })
}

export function carvedIsFixed({ scope, unit }: BudgetName): Refusal {
  const detail = `the budget of ${unit} of "${scope}" is carved out of another: what is put in its place says its amount`
  return refusal('conflict', detail, { scope, unit })
}

export function tooManyAdditions({ scope, unit, period }: BudgetName, most: number): Refusal {
  const detail = `the ${period} budget of ${unit} of "${scope}" has ${most} additions in force, and no more may be`
  return refusal('conflict', detail, { scope, unit, period, most })
}

export function idTaken(id: string): Refusal {
  return refusal('idempotency-mismatch', `the addition "${id}" was made before, with another content`, { id })
}

/** An amount in a budget's unit as it is told: a decimal string of USD, else an integer. */
export function amountOf(unit: string, amount: number): string | number {
  return unit === USD_UNIT ? formatUsd(nano(amount)) : amount
}

function refusal(code: ProblemCode, detail: string, members: Readonly<Record<string, Json>>): Refusal {
  return { code, detail, members }
}
