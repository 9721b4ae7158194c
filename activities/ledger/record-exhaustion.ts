// Budgets that had too little for a request: told once a period, of a rolling one once in the length of its window, with
// the refusals of the transaction.

import type { Transaction } from './database.ts'
import type { NewRequest } from './insert-requests.ts'
import { jsonb, timestamp } from './statement.ts'

/** The periods are locked by the caller. */
export async function recordExhaustion(tx: Transaction, requests: readonly NewRequest[]): Promise<void> {
  const refused = requests.flatMap((one) => {
    if (one.kind !== 'refused' || one.by === null) return []
    const { budgetId, startsAtMs, scope, windowMs = null } = one.by
    return [
      {
        budgetId,
        startsAt: timestamp(startsAtMs),
        at: timestamp(one.atMs),
        toldBefore: timestamp(windowMs === null ? 0 : one.atMs - windowMs),
        scope,
        detail: one.refusal.members,
      },
    ]
  })
  if (refused.length === 0) return
  await tx`
    with exhausted as (
      select distinct on ("budgetId", "startsAt") *
      from jsonb_to_recordset(${jsonb(refused)}) as refused
        ("budgetId" bigint, "startsAt" timestamptz, at timestamptz, "toldBefore" timestamptz, scope text, detail jsonb)
      order by "budgetId", "startsAt", at
    ), told as (
      update budget_period p set exhausted_at = e.at
      from exhausted e
      where p.budget_id = e."budgetId" and p.starts_at = e."startsAt"
        and (p.exhausted_at is null or p.exhausted_at <= e."toldBefore")
      returning e.scope, e.at, e.detail
    )
    insert into event (name, scope, at, detail) select 'budget.exhausted', scope, at, detail from told`
}
