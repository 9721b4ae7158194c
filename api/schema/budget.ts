// Budgets as they are written: of any scope, in a configuration, and what is added to them.

import { z } from 'zod'
import { BUDGET_PERIODS, USD_UNIT } from '../../domain/budget.ts'
import * as p from './primitives.ts'

const BUDGETS_MAX = 16
const THRESHOLDS_MAX = 16
const WINDOW_MS_MIN = 1_000
const WINDOW_MS_MAX = 366 * 86_400_000

const amount = z
  .union([p.usd, p.count])
  .meta({ description: 'A decimal string where the unit is USD, else an integer' })
const thresholds = z
  .array(z.int().min(1).max(1_000))
  .max(THRESHOLDS_MAX)
  .refine((list) => new Set(list).size === list.length, 'expected each percent once')
  .meta({
    description:
      'Whole percents of the amount whose use is told once a period (`rolling`: once in the length of its window); default 50, 80, 95, 100',
  })
const budgetBase = {
  unit: p.id.meta({ description: '`USD` or a resource id', example: USD_UNIT }),
  amount,
  period: z.enum(BUDGET_PERIODS),
  timezone: p.timezone.default('UTC'),
  windowMs: z
    .int()
    .min(WINDOW_MS_MIN)
    .max(WINDOW_MS_MAX)
    .optional()
    .meta({ description: 'Length of the window of a `rolling` budget' }),
  thresholds: thresholds.optional(),
}

export const budget = z
  .discriminatedUnion('enforcement', [
    z.strictObject({
      ...budgetBase,
      enforcement: z.literal('hard').optional(),
      carvedFrom: p.scopePath.optional().meta({
        description: 'The scope above whose budgets of the unit hold the amount until this scope ends',
      }),
    }),
    z.strictObject({
      ...budgetBase,
      enforcement: z.literal('soft'),
      graceMs: p.durationMs.default(3_600_000).meta({
        description:
          'From the charge that goes above the amount; then it is hard until the period ends, or until what a rolling window holds is back within the amount',
      }),
      overageMultiplier: z
        .string()
        .regex(/^[1-9]\d{0,2}(\.\d{1,3})?$/, 'expected a decimal string from "1" to "999.999"')
        .default('1'),
      overageMax: amount,
    }),
  ])
  .superRefine((budget, context) => {
    const issue = (path: string, message: string) =>
      context.addIssue({ code: 'custom', path: [path], message })
    const isRolling = budget.period === 'rolling'
    if (isRolling !== (budget.windowMs !== undefined)) {
      issue(
        'windowMs',
        isRolling ? 'expected the length of the window' : 'expected only with the period `rolling`',
      )
    }
    if (isRolling && budget.timezone !== 'UTC') issue('timezone', 'expected none: a window has no calendar')
    if ('carvedFrom' in budget && budget.carvedFrom !== undefined && budget.period !== 'total') {
      issue('period', 'expected `total`: a carve-out lasts until its scope ends')
    }
    const expected = budget.unit === USD_UNIT ? 'string' : 'number'
    const members = {
      amount: budget.amount,
      ...('overageMax' in budget && { overageMax: budget.overageMax }),
    }
    for (const [member, value] of Object.entries(members)) {
      if (typeof value === expected) continue
      const message =
        expected === 'string'
          ? 'expected a decimal string, because the unit is USD'
          : "expected an integer of the resource's unit"
      context.addIssue({ code: 'custom', path: [member], message })
    }
  })
  .meta({ id: 'Budget' })

/** Of any scope; carve-outs among them. */
export const scopeBudgets = z
  .array(budget)
  .max(BUDGETS_MAX)
  .superRefine((list, context) => {
    const seen = new Set<string>()
    for (const [index, { unit, period, windowMs }] of list.entries()) {
      const key = `${unit} ${period} ${windowMs}`
      if (seen.has(key)) {
        context.addIssue({
          code: 'custom',
          path: [index],
          message: `a second budget of ${unit} per ${period}`,
        })
      }
      seen.add(key)
    }
  })

/** What is configured: a carve-out is given to a scope that runs. */
export const budgets = scopeBudgets.superRefine((list, context) => {
  for (const [index, one] of list.entries()) {
    if (!('carvedFrom' in one) || one.carvedFrom === undefined) continue
    const message = 'a carve-out is given by PUT /api/budgets/{scopePath} alone'
    context.addIssue({ code: 'custom', path: [index, 'carvedFrom'], message })
  }
})

const addition = {
  id: p.id.meta({ description: 'Names the addition: the same again changes nothing' }),
  unit: p.id,
  period: z.enum(BUDGET_PERIODS).meta({ description: 'With the unit: which budget of the scope' }),
  windowMs: z.int().min(WINDOW_MS_MIN).max(WINDOW_MS_MAX).optional(),
  amount,
}

/** What is added to a budget. */
export const budgetAddition = z
  .discriminatedUnion('kind', [
    z.strictObject({ ...addition, kind: z.literal('increase'), expiresAt: p.time }),
    z.strictObject({ ...addition, kind: z.literal('top-up') }),
    z.strictObject({
      ...addition,
      kind: z.literal('credit'),
      expiresAt: p.time.nullable().default(null),
      priority: z
        .int()
        .min(0)
        .max(1_000)
        .default(100)
        .meta({ description: 'The lowest is burnt first; then the earliest expiry, then the id' }),
    }),
  ])
  .superRefine(({ unit, amount }, context) => {
    const expected = unit === USD_UNIT ? 'string' : 'number'
    const isPositive = typeof amount === 'number' ? amount > 0 : !/^0+(\.0*)?$/.test(amount)
    if (typeof amount === expected && isPositive) return
    const message = `expected ${expected === 'string' ? 'a decimal string' : 'an integer'} above 0`
    context.addIssue({ code: 'custom', path: ['amount'], message })
  })
  .meta({ id: 'BudgetAddition' })

export type BudgetBody = z.infer<typeof budget>
export type BudgetAdditionBody = z.infer<typeof budgetAddition>
