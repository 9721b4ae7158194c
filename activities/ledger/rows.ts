// Rows of the ledger as values of the domain, and back. Columns are trusted: the tables' checks hold them.

import type { Plan, WorkerCall } from '../../domain/admission.ts'
import type { Raise } from '../../domain/addition.ts'
import type { Balance, Budget, BudgetPeriod } from '../../domain/budget.ts'
import type { Credit } from '../../domain/credit.ts'
import type { Json } from '../../domain/failure.ts'
import { nano } from '../../domain/money.ts'
import { PRICE_DEFAULTS, type Price } from '../../domain/price.ts'
import type { Urgency } from '../../domain/priority.ts'
import { toDemand } from '../../domain/resource.ts'

export type PlanRow = {
  readonly id: string
  readonly generation: number
  readonly clientId: string
  readonly tier: string
  readonly maxConcurrent: number | null
  readonly urgency: Urgency
  readonly demand: Readonly<Record<string, number>>
  readonly createdAt: number
  readonly deferUntil: number | null
  readonly waitUntil: number
  readonly leaseMs: number
  readonly deadline: number | null
  readonly estimatedCost: number
  readonly configVersion: number
  readonly call: Omit<WorkerCall, 'input'> | null
  readonly input: Json
}

export function planFromRow(row: PlanRow): Plan {
  return {
    requestId: row.id,
    generation: row.generation,
    clientId: row.clientId,
    tier: row.tier,
    maxConcurrent: row.maxConcurrent,
    urgency: row.urgency,
    demand: toDemand(row.demand),
    admittedAtMs: row.createdAt,
    deferUntilMs: row.deferUntil,
    waitUntilMs: row.waitUntil,
    leaseMs: row.leaseMs,
    deadlineMs: row.deadline,
    estimatedNanoUsd: nano(row.estimatedCost),
    configVersion: row.configVersion,
    call: row.call === null ? null : { ...row.call, input: row.input },
  }
}

/** A budget as `budgetJson` tells it: amounts are safe integers by the table's checks. */
export type BudgetRow = {
  readonly id: number
  readonly scope: string
  readonly depth: number
  readonly unit: string
  readonly period: BudgetPeriod
  readonly timezone: string
  readonly source: 'own' | 'tier' | 'carved' | 'credit'
  /** Null: the client's tier knows it. */
  readonly amount: number | null
  readonly enforcement: 'hard' | 'soft'
  readonly graceMs: number | null
  readonly overageMultiplier: string | null
  readonly overageMax: number | null
  /** 0 where the period is not `rolling`. */
  readonly windowMs: number
  readonly thresholds: readonly number[] | null
  readonly carvedFrom: string | null
  readonly givenAtMs: number | null
  readonly raises: readonly AddedRaise[] | null
  readonly credits: readonly CreditRow[] | null
  /** Where it is carved out of. */
  readonly above: readonly PeriodOfBudget[] | null
}

export type AddedRaise = Raise & { readonly id: string; readonly kind: 'increase' | 'top-up' }
export type CreditRow = Credit & { readonly budgetId: number }
export type PeriodOfBudget = { readonly budgetId: number; readonly startsAtMs: number }

/** As it is configured; `tierAmount`: what a budget of the source `tier` amounts to. */
export function budgetFromRow(row: BudgetRow, tierAmount = 0): Budget {
  const { scope, unit, period, timezone, windowMs, thresholds, carvedFrom, givenAtMs } = row
  const base = {
    scope,
    unit,
    period,
    timezone,
    amount: row.amount ?? tierAmount,
    ...(windowMs > 0 && { windowMs }),
    ...(thresholds !== null && { thresholds }),
    ...(carvedFrom !== null && givenAtMs !== null && { carved: { fromScope: carvedFrom, givenAtMs } }),
  }
  if (row.enforcement === 'hard') return { ...base, enforcement: 'hard' }
  return {
    ...base,
    enforcement: 'soft',
    graceMs: row.graceMs ?? 0,
    overageMultiplier: row.overageMultiplier ?? '1',
    overageMax: row.overageMax ?? 0,
  }
}

export type BalanceRow = {
  readonly held: number
  readonly used: number
  readonly surcharge: number
  readonly crossedAt: number | null
  readonly carved: number | null
  readonly toldPercent: number
  readonly toldAt: number | null
}

export function balanceFromRow({ crossedAt, toldAt, ...balance }: BalanceRow): Balance {
  const { held, used, surcharge, carved, toldPercent } = balance
  return { held, used, surcharge, crossedAtMs: crossedAt, carved, toldPercent, toldAtMs: toldAt }
}

/** Names one period of one budget. */
export function periodKey(budgetId: number, startsAtMs: number): string {
  return `${budgetId} ${startsAtMs}`
}

export function periodFromKey(key: string): PeriodOfBudget {
  const [budgetId, startsAtMs] = key.split(' ')
  return { budgetId: Number(budgetId), startsAtMs: Number(startsAtMs) }
}

/** A price as `price_in_force` tells it: without the terms that are the defaults. */
export type PriceRow = Partial<Price> & Omit<Price, keyof typeof PRICE_DEFAULTS>

export function priceFromRow(row: PriceRow): Price {
  return { ...PRICE_DEFAULTS, ...row }
}

/** Prices by resource; what has none is not there. */
export function pricesFromRows(rows: Readonly<Record<string, PriceRow | null>>): Record<string, Price> {
  const prices: Record<string, Price> = {}
  for (const [id, row] of Object.entries(rows)) if (row !== null) prices[id] = priceFromRow(row)
  return prices
}
