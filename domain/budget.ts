// A budget: an amount of USD, or of any resource's unit, that a scope may use in a period.

export const BUDGET_PERIODS = ['minute', 'hour', 'day', 'month', 'total'] as const
export type BudgetPeriod = (typeof BUDGET_PERIODS)[number]

export const USD_UNIT = 'USD'

/** Hard budgets never go over; soft ones do, for a grace period, at a multiplier, up to a maximum. */
export type Enforcement =
  | { readonly enforcement: 'hard' }
  | {
      readonly enforcement: 'soft'
      readonly graceMs: number
      readonly overageMultiplier: string
      /** In the budget's own unit: nano-USD, or units of the resource. */
      readonly overageMax: number
    }

export type Budget = {
  /** Path of the scope, `global` for the root. */
  readonly scope: string
  /** `USD` or a resource id. */
  readonly unit: string
  /** Nano-USD where the unit is USD, else units of the resource. */
  readonly amount: number
  readonly period: BudgetPeriod
  readonly timezone: string
} & Enforcement
