// The money, from both sides: the cost of every request, and what the budgets say was used.

import { subtractUsd, type NanoUsd } from '../../domain/money.ts'
import type { ApiClient } from './api-client.ts'
import { cost, usage } from './answers.ts'
import { CLIENTS } from './casting.ts'
import { addUp } from './figures.ts'

const OPEN_MAX = 8

export type Books = { readonly used: NanoUsd; readonly held: NanoUsd }

/** Used and held in the replay's budgets, over all its clients. */
export async function readBooks(api: ApiClient): Promise<Books> {
  const used: (string | number)[] = []
  const held: (string | number)[] = []
  for (const { id } of CLIENTS) {
    const { budgets } = usage.parse(await api.get(`/api/usage/${id}/current`))
    const ours = budgets.filter(
      ({ scope, unit, period }) => scope === id && unit === 'USD' && period === 'total',
    )
    used.push(...ours.map((budget) => budget.used))
    held.push(...ours.map((budget) => budget.held))
  }
  return { used: addUp(used), held: addUp(held) }
}

export function changeOf(before: Books, after: Books): Books {
  return { used: subtractUsd(after.used, before.used), held: subtractUsd(after.held, before.held) }
}

export type Costs = {
  readonly total: NanoUsd
  /** The part that no worker reported: attempts whose answer never came, booked at the worst case. */
  readonly assumed: NanoUsd
}

/** The sums of all cost lines of all requests. */
export async function sumCosts(api: ApiClient, requestIds: readonly string[]): Promise<Costs> {
  const amounts: string[] = []
  const assumed: string[] = []
  const queue = requestIds.values()
  const reader = async (): Promise<void> => {
    for (const id of queue) {
      const { lines } = cost.parse(await api.get(`/api/cost/${id}`))
      amounts.push(...lines.map(({ costUsd }) => costUsd))
      assumed.push(...lines.filter((line) => line.assumed === true).map(({ costUsd }) => costUsd))
    }
  }
  await Promise.all(Array.from({ length: OPEN_MAX }, reader))
  return { total: addUp(amounts), assumed: addUp(assumed) }
}
