// Every change of the configuration has a version, and is kept with who made it.
//
// C1  There is one version for everything; changes are made one after the other.

import type { Transaction } from './database.ts'
import { jsonb } from './statement.ts'

export type ConfigKind = 'resource' | 'tier' | 'client' | 'template' | 'worker' | 'price' | 'budgets'

export type ConfigChange = {
  readonly kind: ConfigKind
  readonly id: string
  readonly before: unknown
  readonly after: unknown
}

export type Stored = { readonly version: number; readonly created: boolean }

/** The next version; from here to the end of the transaction nobody else changes anything (C1). */
export async function nextVersion(tx: Transaction): Promise<number> {
  const [row] = await tx<[{ version: number }]>`update config set version = version + 1 returning version`
  return row.version
}

export async function recordChanges(
  tx: Transaction,
  changes: readonly ConfigChange[],
  { version, actor }: { readonly version: number; readonly actor: string },
): Promise<void> {
  await tx`
    insert into config_change (version, kind, id, actor, before, after)
    select ${version}, kind, id, ${actor}, nullif(before, 'null'), nullif(after, 'null')
    from jsonb_to_recordset(${jsonb(changes)}) as change (kind text, id text, before jsonb, after jsonb)
    on conflict (version, kind, id) do update set after = excluded.after`
}
