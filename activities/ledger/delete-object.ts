// Removes configured objects. Null: there is none.

import { nextVersion, recordChanges } from './change-config.ts'
import type { Sql, Transaction } from './database.ts'
import { storeBudgets } from './put-budgets.ts'
import type { DefinitionKind } from './put-definition.ts'
import { identifier } from './statement.ts'

export type Removed = { readonly version: number } | null

export async function deleteResource(sql: Sql, id: string, actor: string): Promise<Removed> {
  return await sql.begin((tx) => remove(tx, 'resource', { id, actor }))
}

export async function deleteTemplate(sql: Sql, name: string, actor: string): Promise<Removed> {
  return await sql.begin((tx) => remove(tx, 'template', { id: name, actor }))
}

export async function deleteWorker(sql: Sql, name: string, actor: string): Promise<Removed> {
  return await sql.begin((tx) => remove(tx, 'worker', { id: name, actor }))
}

/** `in-use` where clients have the tier: nothing was changed. */
export async function deleteTier(sql: Sql, id: string, actor: string): Promise<Removed | 'in-use'> {
  return await sql.begin(async (tx) => {
    const clients = await tx`select from client where tier = ${id} limit 1`
    return clients.length > 0 ? 'in-use' : await remove(tx, 'tier', { id, actor })
  })
}

/** With the budgets of its own scope; `in-use` where it has requests that are open. */
export async function deleteClient(sql: Sql, id: string, actor: string): Promise<Removed | 'in-use'> {
  return await sql.begin(async (tx) => {
    const open = await tx`
      select from request
      where client_id = ${id} and state in ('deferred', 'waiting', 'granted', 'executing') limit 1`
    if (open.length > 0) return 'in-use'
    const removed = await remove(tx, 'client', { id, actor })
    if (removed !== null) {
      await storeBudgets(tx, { scope: id, budgets: [] }, { version: removed.version, actor })
    }
    return removed
  })
}

type Target = { readonly id: string; readonly actor: string }

async function remove(tx: Transaction, kind: DefinitionKind, { id, actor }: Target): Promise<Removed> {
  const [gone] = await tx<{ definition: object }[]>`
    delete from ${identifier(kind)} where id = ${id} returning definition`
  if (gone === undefined) return null
  const version = await nextVersion(tx)
  await recordChanges(tx, [{ kind, id, before: gone.definition, after: null }], { version, actor })
  return { version }
}
