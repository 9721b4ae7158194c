// The budgets that a request is held in, out of those on its path.
//
// H1  A budget that a part was carved out of is not held again for a request below that part. It has a hold of 0, in
//     the period that the part comes from, so that the use below is booked there (domain/carve-out.ts).
// H2  A credit that lives has a hold, be it of 0, so that use beyond a hold goes on with it.

import { raised } from '../../domain/addition.ts'
import { spanOf, type Budget } from '../../domain/budget.ts'
import { sliceCountsFrom } from '../../domain/calendar.ts'
import { isAlive } from '../../domain/credit.ts'
import type { HeldBudget } from '../../domain/hold.ts'
import type { KeyedBudget } from '../../domain/in-turn.ts'
import type { Hold } from './insert-requests.ts'
import type { LockedPeriod } from './lock-balances.ts'
import { budgetFromRow, periodFromKey, periodKey, type BudgetRow, type PeriodOfBudget } from './rows.ts'

export type KeptBudget = Budget &
  PeriodOfBudget & { readonly depth: number; readonly above: readonly PeriodOfBudget[] }

/** In path order. `ofTier`: the client's budget from its tier, where it has none of its own. */
export function budgetsToHold(
  path: readonly BudgetRow[],
  ofTier: (Budget & { readonly id: number }) | null,
  atMs: number,
): readonly KeyedBudget<KeptBudget>[] {
  const carvedFrom = new Set(path.flatMap(({ above }) => above ?? []).map(({ budgetId }) => budgetId))
  const own = path
    .filter(({ id, source }) => source !== 'tier' && !carvedFrom.has(id))
    .map((row) => {
      const budget = raised(budgetFromRow(row), row.raises ?? [], atMs)
      return keyed(budget, { ...row, above: aboveOf(row, path) }, atMs)
    })
  const implicit = ofTier === null ? [] : [keyed(ofTier, { ...NO_MORE, id: ofTier.id, depth: 1 }, atMs)]
  return [...own, ...implicit].sort(
    ({ budget: a }, { budget: b }) => a.depth - b.depth || a.budgetId - b.budgetId,
  )
}

/** Up to the roots: a carve-out lives no longer than what it is carved out of. */
function aboveOf({ above }: BudgetRow, path: readonly BudgetRow[]): readonly PeriodOfBudget[] {
  return (above ?? []).flatMap((period) => {
    const row = path.find(({ id }) => id === period.budgetId)
    return row === undefined ? [period] : [period, ...aboveOf(row, path)]
  })
}

const NO_MORE = { above: null, credits: null }

function keyed(
  budget: Budget,
  { id, depth, above, credits }: Pick<BudgetRow, 'id' | 'depth' | 'above' | 'credits'>,
  atMs: number,
): KeyedBudget<KeptBudget> {
  const startsAtMs = spanOf(budget, atMs).startMs
  return {
    budget: { ...budget, budgetId: id, startsAtMs, depth, above: above ?? [] },
    key: periodKey(id, startsAtMs),
    credits: (credits ?? [])
      .filter((credit) => isAlive(credit, atMs))
      .map((credit) => ({ credit, key: periodKey(credit.budgetId, 0) })),
  }
}

/** The budget's period, and those of its credits. */
export function periodsToLock(
  { budget, credits }: KeyedBudget<KeptBudget>,
  atMs: number,
): readonly LockedPeriod[] {
  const { budgetId, startsAtMs, windowMs } = budget
  const own = { budgetId, startsAtMs }
  const counted = windowMs === undefined ? own : { ...own, countsFromMs: sliceCountsFrom(windowMs, atMs) }
  return [counted, ...credits.map(({ key }) => periodFromKey(key))]
}

/** What is written of a hold: on the budget, on its credits (H2), and on what it is carved out of (H1). */
export function holdsOf({ budget, amount, credits }: HeldBudget<KeptBudget>): readonly Hold[] {
  const { budgetId, startsAtMs, above } = budget
  return [
    { budgetId, startsAtMs, amount },
    ...credits.map(({ key, units }) => ({ ...periodFromKey(key), amount: units })),
    ...above.map((period) => ({ ...period, amount: 0 })),
  ]
}
