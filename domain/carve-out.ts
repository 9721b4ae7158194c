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
