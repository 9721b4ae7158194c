// What is added to a budget beside its amount, once by its id: temporary increases, top-ups and credits.
//
// G1  An increase raises the amount until it expires, in every period until then.
// G2  A top-up raises the amount of the period in which it is given, and of no other.
// G3  A credit is an amount of its own that is burnt down (credit.ts).
// G4  What was used under a raise stays used when the raise has gone; only what is asked afterwards is measured anew.

import type { Budget, Span } from './budget.ts'

/** More of a budget for a while; null: for ever. */
export type Raise = { readonly amount: number; readonly fromMs: number; readonly untilMs: number | null }

/** A top-up is in force for as long as the period in which it is given (G2). */
export function topUpRaise(amount: number, { startMs, endMs }: Span): Raise {
  return { amount, fromMs: startMs, untilMs: endMs }
}

/** The budget with what raises it at a moment. */
export function raised<B extends Pick<Budget, 'amount'>>(
  budget: B,
  raises: readonly Raise[],
  atMs: number,
): B {
  let amount = budget.amount
  for (const { amount: more, fromMs, untilMs } of raises) {
    if (fromMs <= atMs && (untilMs === null || atMs < untilMs)) amount += more
  }
  return amount === budget.amount ? budget : { ...budget, amount }
}

/** The moment of `span` that is nearest to `atMs`: what a settlement that comes after its period is measured at. */
export function momentIn({ startMs, endMs }: Span, atMs: number): number {
  return Math.max(startMs, endMs === null ? atMs : Math.min(atMs, endMs - 1))
}
