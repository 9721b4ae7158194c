// Budgets between the wire and the domain.

import type { Addition } from '../../activities/ledger/add-to-budget.ts'
import type { CarveOutAsk } from '../../activities/ledger/carve-outs.ts'
import type { BudgetStanding } from '../../activities/ledger/get-budgets.ts'
import type { Budget } from '../../domain/budget.ts'
import { nano, parseUsd } from '../../domain/money.ts'
import { amountOf } from '../../domain/refusals.ts'
import { THRESHOLDS_DEFAULT } from '../../domain/threshold.ts'
import type { BudgetAdditionBody, BudgetBody } from '../schema/budget.ts'
import { fromIso, fromIsoOrNull, toIsoOrNull } from './time.ts'

/** The budgets of a list that are configured, and those that are carved out. */
export function budgetsFrom(scope: string, list: readonly BudgetBody[]) {
  const budgets: Budget[] = []
  const carveOuts: CarveOutAsk[] = []
  for (const body of list) {
    if (!('carvedFrom' in body) || body.carvedFrom === undefined) budgets.push(budgetFrom(scope, body))
    else {
      const { unit, amount, carvedFrom: fromScope, thresholds = null } = body
      carveOuts.push({ unit, amount: amountFrom(amount), fromScope, thresholds })
    }
  }
  return { budgets, carveOuts }
}

export function budgetFrom(scope: string, body: BudgetBody): Budget {
  const { unit, period, timezone, windowMs, thresholds } = body
  const base = {
    scope,
    unit,
    period,
    timezone,
    amount: amountFrom(body.amount),
    ...(windowMs !== undefined && { windowMs }),
    ...(thresholds !== undefined && { thresholds }),
  }
  if (body.enforcement !== 'soft') return { ...base, enforcement: 'hard' }
  const { graceMs, overageMultiplier } = body
  return { ...base, enforcement: 'soft', graceMs, overageMultiplier, overageMax: amountFrom(body.overageMax) }
}

export function budgetTo(budget: Budget): BudgetBody {
  const { unit, period, timezone, windowMs, thresholds } = budget
  const base = {
    unit,
    period,
    timezone,
    amount: amountOf(unit, budget.amount),
    ...(windowMs !== undefined && { windowMs }),
    ...(thresholds !== undefined && { thresholds: [...thresholds] }),
  }
  if (budget.enforcement === 'hard') return { ...base, enforcement: 'hard' }
  const { graceMs, overageMax } = budget
  const overageMultiplier = trimmed(budget.overageMultiplier)
  return { ...base, enforcement: 'soft', graceMs, overageMultiplier, overageMax: amountOf(unit, overageMax) }
}

/** The shortest decimal: the ledger keeps all three places. */
function trimmed(decimal: string): string {
  return decimal.includes('.') ? decimal.replace(/\.?0+$/, '') : decimal
}

export function additionFrom(scope: string, contentHash: string, body: BudgetAdditionBody): Addition {
  const { id, unit, period, windowMs = 0 } = body
  const base = { id, scope, unit, period, windowMs, amount: amountFrom(body.amount), contentHash }
  switch (body.kind) {
    case 'increase':
      return { ...base, kind: body.kind, untilMs: fromIso(body.expiresAt) }
    case 'top-up':
      return { ...base, kind: body.kind }
    case 'credit':
      return { ...base, kind: body.kind, untilMs: fromIsoOrNull(body.expiresAt), priority: body.priority }
    default:
      return body satisfies never
  }
}

/** Where a budget stands in its current period. */
export function standingTo(standing: BudgetStanding) {
  const { budget, configured, used, held, remaining, available, resetsAtMs } = standing
  const { scope, unit, period, timezone, windowMs = null, amount, enforcement } = budget
  const inUnit = (one: number) => amountOf(unit, one)
  return {
    scope,
    unit,
    period,
    timezone,
    windowMs,
    amount: inUnit(amount),
    configured: inUnit(configured),
    used: inUnit(used),
    held: inUnit(held),
    remaining: inUnit(remaining),
    available: inUnit(available),
    resetsAt: toIsoOrNull(resetsAtMs),
    enforcement,
    thresholds: [...(budget.thresholds ?? THRESHOLDS_DEFAULT)],
    carvedFrom: budget.carved?.fromScope ?? null,
    carveOuts: standing.carveOuts.map(({ scope: below, ...one }) => ({
      scope: below,
      amount: inUnit(one.amount),
      used: inUnit(one.used),
      held: inUnit(one.held),
      kept: inUnit(one.kept),
    })),
    raises: standing.raises.map(({ id, kind, amount: more, untilMs }) => ({
      id,
      kind,
      amount: inUnit(more),
      expiresAt: toIsoOrNull(untilMs),
    })),
    credits: standing.credits.map(({ id, priority, untilMs, ...one }) => ({
      id,
      amount: inUnit(one.amount),
      used: inUnit(one.used),
      held: inUnit(one.held),
      remaining: inUnit(one.amount - one.used - one.held),
      priority,
      expiresAt: toIsoOrNull(untilMs),
    })),
  }
}

/** The schema has checked that text is an amount of USD. */
function amountFrom(amount: string | number): number {
  return typeof amount === 'number' ? amount : nano(parseUsd(amount) ?? Number.NaN)
}
