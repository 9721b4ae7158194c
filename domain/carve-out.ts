// Carve-outs: a part of a budget that is given to a scope below, so that parallel branches cannot overspend together.
//
// V1  What is given is held in the budgets it comes from, at the moment it is given, or it is not given.
// V2  Of it they keep what is not used yet, and never less than the open holds below: max(held, carved - used).
// V3  Use below is booked above too; as it is booked, what is kept falls by as much. So nothing counts twice.
// V4  An ended scope is worth nothing: what it did not use returns at once, what is still held when it settles.
// V5  What is kept is a function of the balance below alone: an order of settlements, a retry or a race changes nothing.

import type { Balance } from './budget.ts'

/** What the budgets that it comes from keep for a carve-out; 0 for what is none. */
export function keptOf({ held, used, carved }: Pick<Balance, 'held' | 'used' | 'carved'>): number {
  return carved === null ? 0 : Math.max(held, carved - used)
}

/** What changes above when a balance below changes: to be added to what is held there. */
export function keptMore(before: Balance, after: Balance): number {
  return keptOf(after) - keptOf(before)
}

/** Balances by key. */
export type Balances = Readonly<Record<string, Balance>>
/** Keys of the balances that each is carved out of. */
export type Above = Readonly<Record<string, readonly string[]>>

/** The balances after one of them has changed: what is kept for it follows, up to the roots (V2). */
export function withBalance(balances: Balances, above: Above, key: string, after: Balance): Balances {
  const before = balances[key]
  if (before === undefined) throw new Error(`no balance of ${key}`)
  const more = keptMore(before, after)
  let next: Balances = { ...balances, [key]: after }
  if (more === 0) return next
  for (const parent of above[key] ?? []) {
    const kept = next[parent]
    if (kept === undefined) throw new Error(`no balance of ${parent}`)
    next = withBalance(next, above, parent, { ...kept, held: kept.held + more })
  }
  return next
}
