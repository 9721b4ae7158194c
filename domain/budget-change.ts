// Whether a change of budgets gives more: what a client may never do for itself.
//
// R1  More is: a cap removed, a higher amount, a softer enforcement, a larger or cheaper overage, a longer grace.
// R2  Another period, window or zone is another cap: the one that it stands for is removed.
// R3  A new cap gives nothing, nor does a carve-out: what it holds, its parent has.

import { OVERAGE_DECIMALS, type Budget } from './budget.ts'
import { decimalUnits } from './money.ts'
import { amountOf } from './refusals.ts'

/** What the change would raise, in words; nothing where it only lowers. */
export function raisesOf(before: readonly Budget[], after: readonly Budget[]): readonly string[] {
  return before
    .filter(({ carved }) => carved === undefined)
    .flatMap((old) => {
      const next = after.find((one) => isSameCap(old, one))
      if (next === undefined) return [`removes the ${nameOf(old)}`]
      return raisesOfCap(old, next).map((raise) => `${raise} of the ${nameOf(old)}`)
    })
}

function isSameCap(a: Budget, b: Budget): boolean {
  return (
    a.scope === b.scope &&
    a.unit === b.unit &&
    a.period === b.period &&
    a.timezone === b.timezone &&
    a.windowMs === b.windowMs &&
    b.carved === undefined
  )
}

function raisesOfCap(old: Budget, next: Budget): readonly string[] {
  const inUnit = (amount: number) => amountOf(old.unit, amount)
  const raises: string[] = []
  if (next.amount > old.amount)
    raises.push(`raises the amount from ${inUnit(old.amount)} to ${inUnit(next.amount)}`)
  if (next.enforcement === 'hard') return raises
  if (old.enforcement === 'hard') return [...raises, 'softens the enforcement']
  if (next.overageMax > old.overageMax) {
    raises.push(`raises the overage from ${inUnit(old.overageMax)} to ${inUnit(next.overageMax)}`)
  }
  if (multiplierOf(next) < multiplierOf(old)) {
    raises.push(
      `makes the overage cheaper, ${next.overageMultiplier} times instead of ${old.overageMultiplier}`,
    )
  }
  if (next.graceMs > old.graceMs) raises.push(`lengthens the grace from ${old.graceMs} to ${next.graceMs} ms`)
  return raises
}

function multiplierOf({ overageMultiplier }: Extract<Budget, { enforcement: 'soft' }>): bigint {
  return decimalUnits(overageMultiplier, OVERAGE_DECIMALS)
}

function nameOf({ scope, unit, period }: Budget): string {
  return `${period} budget of ${unit} of "${scope}"`
}
