// The explicit end of a scope: what was carved out for it, and for all below it, returns; its own budgets go.
//
// E1  Twice is once: the second end finds nothing.
// E2  Whoever may only lower may end what was carved out, but removes no other cap.

import type { Refusal } from '../../domain/failure.ts'
import * as refusals from '../../domain/refusals.ts'
import { raisesOf } from '../../domain/budget-change.ts'
import { endCarveOuts, type EndedLife } from './carve-outs.ts'
import { nextVersion } from './change-config.ts'
import type { Sql, Transaction } from './database.ts'
import type { By } from './put-budgets.ts'
import { storeBudgets } from './put-budgets.ts'
import { budgetsOf } from './read-budgets.ts'
import { refusable } from './refusable.ts'

export type EndedScope = { readonly lives: readonly EndedLife[] }

export async function endScope(
  sql: Sql,
  scope: string,
  { actor, mayRaise }: By,
): Promise<EndedScope | { readonly refusal: Refusal }> {
  return await refusable(sql, async (tx, refuse) => {
    await tx`select from config for no key update`
    const scopes = await scopesBelow(tx, scope)
    const budgets = (await Promise.all(scopes.map((one) => budgetsOf(tx, one)))).flat()
    const raises = mayRaise ? [] : raisesOf(budgets, [])
    if (raises.length > 0) return refuse(refusals.mayNotRaise(raises))
    if (scopes.length > 0) {
      const by = { version: await nextVersion(tx), actor }
      for (const one of scopes) await storeBudgets(tx, { scope: one, budgets: [] }, by)
    }
    return { lives: await endCarveOuts(tx, scope) }
  })
}

/** Those that have budgets of their own, the scope itself among them. */
async function scopesBelow(tx: Transaction, scope: string): Promise<readonly string[]> {
  const rows = await tx<{ scope: string }[]>`
    select distinct scope from budget
    where is_active and source = 'own' and (scope = ${scope} or starts_with(scope, ${`${scope}/`}))
    order by scope`
  return rows.map((row) => row.scope)
}
