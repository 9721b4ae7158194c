// Several drafts judged together, each as if it came alone, in the order of their arrival.
//
// I1  What an earlier one takes is gone for a later one; one that is refused takes nothing.

import { refusalOfQueues, type Draft, type Facts } from './admit.ts'
import { EMPTY_BALANCE, type Balance, type Budget } from './budget.ts'
import type { Credit } from './credit.ts'
import type { Refusal } from './failure.ts'
import { refusalOfDay, takeHolds, type HeldBudget } from './hold.ts'

export type Candidate<B extends Budget> = {
  readonly draft: Draft
  readonly resources: Facts['resources']
  /** Root first. */
  readonly budgets: readonly KeyedBudget<B>[]
  readonly atMs: number
  /** Names the client's day in `today`. */
  readonly dayKey: string
}

/** A budget and its credits with the names of their periods in `balances`. */
export type KeyedBudget<B extends Budget> = {
  readonly budget: B
  readonly key: string
  readonly credits: readonly { readonly credit: Credit; readonly key: string }[]
}

/** What is known under locks before the first one is judged. */
export type Standing = {
  /** Requests that wait, by resource. */
  readonly waiting: Readonly<Record<string, number>>
  /** Requests of clients' days that were admitted already. */
  readonly today: Readonly<Record<string, number>>
  readonly balances: Readonly<Record<string, Balance>>
}

export type Verdict<B extends Budget> =
  | { readonly kind: 'admitted'; readonly holds: readonly HeldBudget<B>[] }
  /** `by`: the budget that refuses; null where another thing does. */
  | { readonly kind: 'refused'; readonly refusal: Refusal; readonly by: B | null }

/** Verdicts in the order of the candidates (I1). */
export function judgeInTurn<B extends Budget>(
  candidates: readonly Candidate<B>[],
  standing: Standing,
): readonly Verdict<B>[] {
  const waiting = { ...standing.waiting }
  const today = { ...standing.today }
  const balances = { ...standing.balances }
  return candidates.map((candidate) => {
    const { draft, resources, budgets, atMs, dayKey } = candidate
    const { client, demand, estimatedNanoUsd: costNanoUsd } = draft
    const refusal =
      refusalOfQueues(demand, { resources }, waiting) ?? refusalOfDay(client, today[dayKey] ?? 0, atMs)
    if (refusal !== null) return { kind: 'refused', refusal, by: null }
    const claimed = budgets.map(({ budget, key, credits }) => {
      const standings = credits.map((one) => ({ ...one, balance: balances[one.key] ?? null }))
      return [budget, balances[key] ?? null, standings] as const
    })
    const taken = takeHolds({ budgets: claimed, demand, costNanoUsd, atMs })
    if (taken.kind === 'refused') return taken

    if (draft.deferUntilMs === null) for (const [id] of demand) waiting[id] = (waiting[id] ?? 0) + 1
    today[dayKey] = (today[dayKey] ?? 0) + 1
    for (const [nth, { amount, credits }] of taken.holds.entries()) {
      for (const { key, units } of [{ key: budgets[nth]?.key ?? '', units: amount }, ...credits]) {
        const before = balances[key] ?? EMPTY_BALANCE
        balances[key] = { ...before, held: before.held + units }
      }
    }
    return { kind: 'admitted', holds: taken.holds }
  })
}
