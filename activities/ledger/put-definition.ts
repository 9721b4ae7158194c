// Writes the definition of a configured object; the counters that belong to it are kept.

import { nextVersion, recordChanges, type Stored } from './change-config.ts'
import type { Sql, Transaction } from './database.ts'
import { identifier, jsonb } from './statement.ts'

export type DefinitionKind = 'resource' | 'tier' | 'client' | 'template' | 'worker'

export type Definition = { readonly kind: DefinitionKind; readonly id: string; readonly definition: object }

export async function putDefinition(sql: Sql, definition: Definition, actor: string): Promise<Stored> {
  return await sql.begin(async (tx) => {
    const version = await nextVersion(tx)
    return await storeDefinition(tx, definition, { version, actor })
  })
}

type By = { readonly version: number; readonly actor: string }

/** The same inside a change that has its version already. */
export async function storeDefinition(
  tx: Transaction,
  { kind, id, definition }: Definition,
  by: By,
): Promise<Stored> {
  const [before] = await tx<
    { definition: object }[]
  >`select definition from ${identifier(kind)} where id = ${id}`
  await tx`
    insert into ${identifier(kind)} (id, definition) values (${id}, ${jsonb(definition)})
    on conflict (id) do update set definition = excluded.definition`
  const change = { kind, id, before: before?.definition ?? null, after: definition }
  await recordChanges(tx, [change], by)
  return { version: by.version, created: before === undefined }
}
