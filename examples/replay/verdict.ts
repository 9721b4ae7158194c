// What a replay came to: one table, and what was lost.

import Table from 'cli-table3'
import { formatUsd, type NanoUsd } from '../../domain/money.ts'
import type { Costs } from './books.ts'
import type { TierWaits } from './figures.ts'

/** Use of the limit while requests waited for it, 0 to 1. */
export type Uses = { readonly granted: number; readonly arrived: number }

export type Outcome = {
  readonly rows: number
  readonly accepted: number
  readonly states: Readonly<Record<string, number>>
  readonly unfinished: number
  readonly provider: { readonly calls: number; readonly rejected: number; readonly violations: number }
  /** Null where nothing waited. */
  readonly use: Uses | null
  readonly backlogMs: number
  readonly waits: readonly TierWaits[]
  readonly estimated: NanoUsd
  readonly costs: Costs
  readonly budgets: { readonly used: NanoUsd; readonly held: NanoUsd }
  readonly tokens: { readonly reserved: number; readonly settled: number }
  readonly seconds: number
}

/** What is not as it must be, a sentence each; empty where nothing was lost. */
export function losses(outcome: Outcome): readonly string[] {
  const { rows, accepted, unfinished, provider, costs, budgets } = outcome
  const lost: string[] = []
  if (accepted < rows) lost.push(`${rows - accepted} of ${rows} requests were not accepted`)
  if (unfinished > 0) lost.push(`${unfinished} requests did not come to an end`)
  if (provider.rejected > 0) lost.push(`the provider answered 429 to ${provider.rejected} calls`)
  if (provider.violations > 0) lost.push(`the referee found ${provider.violations} violations`)
  if (costs.total !== budgets.used) {
    lost.push(
      `the requests cost ${formatUsd(costs.total)} USD and the budgets say ${formatUsd(budgets.used)} USD`,
    )
  }
  if (budgets.held !== 0) lost.push(`${formatUsd(budgets.held)} USD are still held`)
  return lost
}

export function describe(outcome: Outcome): string {
  const { states, provider, use, waits, budgets, tokens } = outcome
  const table = new Table({ style: { head: [], border: [] }, colAligns: ['left', 'right'] })
  table.push(
    ['requests', `${outcome.rows} (${outcome.accepted} accepted)`],
    [
      'states',
      Object.entries(states)
        .map(([state, count]) => `${count} ${state}`)
        .join(', ') || '-',
    ],
    ['calls at the provider', String(provider.calls)],
    ['429s at the provider', String(provider.rejected)],
    [
      'use of the limit while backlogged, granted / arrived',
      use === null ? 'no backlog' : `${percent(use.granted)} / ${percent(use.arrived)}`,
    ],
    ['backlogged for', `${(outcome.backlogMs / 1_000).toFixed(1)} s`],
    ...waits.map(({ tier, requests, p50Ms, p95Ms }) => [
      `wait of ${tier}, p50 / p95 (${requests})`,
      `${seconds(p50Ms)} / ${seconds(p95Ms)}`,
    ]),
    ['estimated / actual cost', `${formatUsd(outcome.estimated)} / ${formatUsd(outcome.costs.total)} USD`],
    ['of it assumed, for answers that never came', `${formatUsd(outcome.costs.assumed)} USD`],
    ['used / still held in the budgets', `${formatUsd(budgets.used)} / ${formatUsd(budgets.held)} USD`],
    ['tokens reserved / settled', `${tokens.reserved} / ${tokens.settled}`],
    ['seconds', outcome.seconds.toFixed(1)],
  )
  return table.toString()
}

function percent(share: number): string {
  return `${(100 * share).toFixed(2)} %`
}

function seconds(ms: number | null): string {
  return ms === null ? '-' : `${(ms / 1_000).toFixed(2)} s`
}
