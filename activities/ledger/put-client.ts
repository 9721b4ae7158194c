// Writes a client, and the budgets of its own scope in place of those it had.

import type { Budget } from '../../domain/budget.ts'
import type { Client } from '../../domain/client.ts'
import type { Refusal } from '../../domain/failure.ts'
import * as refusals from '../../domain/refusals.ts'
import { nextVersion, type Stored } from './change-config.ts'
import type { Sql } from './database.ts'
import { storeBudgets, unknownUnit } from './put-budgets.ts'
import { storeDefinition } from './put-definition.ts'

/** A refusal where the tier, or the unit of a budget, is unknown: nothing was written. */
export async function putClient(
  sql: Sql,
  client: Client,
  budgets: readonly Budget[],
  actor: string,
): Promise<Stored | { readonly refusal: Refusal }> {
  return await sql.begin(async (tx) => {
    const tiers = await tx`select from tier where id = ${client.tier}`
    if (tiers.length === 0) return { refusal: refusals.unknown('tier', client.tier) }
    const refusal = await unknownUnit(tx, budgets)
    if (refusal !== null) return { refusal }
    const by = { version: await nextVersion(tx), actor }
    const stored = await storeDefinition(tx, { kind: 'client', id: client.id, definition: client }, by)
    await storeBudgets(tx, { scope: client.id, budgets }, by)
    return stored
  })
}
