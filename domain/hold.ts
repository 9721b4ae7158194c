// Holds: what an admitted request sets aside in every budget above it, all of them or none.
//
// H1  Budgets are looked at in path order, root first; the first that does not fit is the one that is told.
// H2  Every budget of the path is held, be it with 0: what is used beyond the hold is booked there too.
// H4  What a budget's own amount lacks is held on its credits (credit.ts), and only then on a soft budget's overage.
// H3  A client whose tier has a monthly budget and who has none of its own has the tier's, hard.

import { budgetExceeded, dailyRequestsUsed } from './refusals.ts'
import {
  EMPTY_BALANCE,
  USD_UNIT,
  holdOf,
  measured,
  remainingOf,
  spanOf,
  type Balance,
  type Budget,
} from './budget.ts'
import { burnOrder, drawHold, isAlive, type Credit, type Draw, type Source } from './credit.ts'
import { periodEnd } from './calendar.ts'
import type { Client } from './client.ts'
import type { Refusal } from './failure.ts'
import { parseUsd, type NanoUsd } from './money.ts'
import type { Demand } from './resource.ts'
import type { Tier } from './tier.ts'

const TIER_BUDGET = { unit: USD_UNIT, period: 'month', timezone: 'UTC', enforcement: 'hard' } as const

/** The month budget that a client has from its tier (H3); null where it has its own, or the tier has none. */
export function tierBudget(
  client: Client,
  tier: Tier,
  own: readonly Pick<Budget, 'scope' | 'unit' | 'period'>[],
): Budget | null {
  if (tier.monthlyBudgetUsd === null) return null
  const { unit, period } = TIER_BUDGET
  const hasOwn = own.some((one) => one.scope === client.id && one.unit === unit && one.period === period)
  if (hasOwn) return null
  const amount = parseUsd(tier.monthlyBudgetUsd)
  return amount === null ? null : { scope: client.id, amount, ...TIER_BUDGET }
}

/** Units that a demand and its cost need of a budget. */
export function needOfBudget({ unit }: Pick<Budget, 'unit'>, demand: Demand, cost: NanoUsd): number {
  if (unit === USD_UNIT) return cost
  return demand.find(([resourceId]) => resourceId === unit)?.[1] ?? 0
}

/** A credit with its balance; null: nobody used it yet. */
export type CreditStanding = {
  readonly credit: Credit
  readonly key: string
  readonly balance: Balance | null
}

export type HeldBudget<B extends Budget> = {
  readonly budget: B
  readonly amount: number
  /** What is held on each credit that lives, 0 included (H2). */
  readonly credits: readonly Draw[]
}

export type Holds<B extends Budget> =
  | { readonly kind: 'held'; readonly holds: readonly HeldBudget<B>[] }
  | { readonly kind: 'refused'; readonly refusal: Refusal; readonly by: B }

export type Claim<B extends Budget> = {
  /** In path order, with the balance of the period that holds `atMs`, of a window what counts; null: it is new. */
  readonly budgets: readonly (readonly [
    budget: B,
    balance: Balance | null,
    credits?: readonly CreditStanding[],
  ])[]
  readonly demand: Demand
  readonly costNanoUsd: NanoUsd
  readonly atMs: number
}

/** All holds, or the first budget that refuses (H1, H2). */
export function takeHolds<B extends Budget>({ budgets, demand, costNanoUsd, atMs }: Claim<B>): Holds<B> {
  const holds: HeldBudget<B>[] = []
  for (const [budget, kept, credits = []] of budgets) {
    const balance = measured(budget, kept ?? EMPTY_BALANCE)
    const sources = creditSources(credits, atMs)
    const own = remainingOf(budget, balance)
    const drawn = drawHold(own, sources, needOfBudget(budget, demand, costNanoUsd))
    const taken = holdOf(budget, balance, drawn.own + drawn.missing, atMs)
    if (taken.kind === 'exceeded') {
      const shortage = {
        needed: taken.needed + sumOf(drawn.draws.map(({ units }) => units)),
        remaining: availableOf(own, sources),
        resetsAtMs: spanOf(budget, atMs).endMs,
      }
      return { kind: 'refused', refusal: budgetExceeded(budget, shortage), by: budget }
    }
    holds.push({ budget, amount: taken.amount, credits: drawn.draws })
  }
  return { kind: 'held', holds }
}

/** What can be held now: debt of the budget's own takes nothing from its credits. */
export function availableOf(own: number, credits: readonly Pick<Source, 'free'>[]): number {
  if (credits.length === 0) return own
  return Math.max(0, own) + sumOf(credits.map(({ free }) => free))
}

/** Those that live, in burn order. */
export function creditSources(credits: readonly CreditStanding[], atMs: number): readonly Source[] {
  return credits
    .filter(({ credit }) => isAlive(credit, atMs))
    .toSorted((a, b) => burnOrder(a.credit, b.credit))
    .map(({ credit, key, balance }) => {
      const free = remainingOf(credit, balance ?? EMPTY_BALANCE)
      return { key, held: 0, drawn: 0, free }
    })
}

function sumOf(amounts: readonly number[]): number {
  return amounts.reduce((sum, amount) => sum + amount, 0)
}

/** The refusal of one request more today (UTC), or null. */
export function refusalOfDay(client: Client, requestsToday: number, atMs: number): Refusal | null {
  const limit = client.dailyRequests
  if (limit === null || requestsToday < limit) return null
  const tomorrowMs = periodEnd({ period: 'day', timezone: 'UTC' }, atMs)
  return dailyRequestsUsed(client.id, limit, tomorrowMs - atMs)
}
