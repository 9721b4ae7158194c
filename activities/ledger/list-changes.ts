// Changes of the configuration, the newest first, a page at a time.
//
// L1  The order is (version, kind, id), all descending: a page goes on after its last one, whatever came since.

import type { Json } from '../../domain/failure.ts'
import type { ConfigKind } from './change-config.ts'
import type { Queries } from './database.ts'

export type ListedChange = {
  readonly version: number
  readonly kind: ConfigKind
  readonly id: string
  readonly atMs: number
  /** The id of the key that made it. */
  readonly actor: string
  /** The definition; null: there was none. */
  readonly before: Json
  readonly after: Json
}

export type ChangeKey = Pick<ListedChange, 'version' | 'id'> & { readonly kind: string }

/** `hasMore`: there are others after the last one. */
export async function listChanges(
  sql: Queries,
  { after, limit }: { readonly after: ChangeKey | null; readonly limit: number },
): Promise<{ readonly items: readonly ListedChange[]; readonly hasMore: boolean }> {
  const items = await sql<ListedChange[]>`
    select version, kind, id, at as "atMs", actor, before, after
    from config_change
    ${after === null ? sql`` : sql`where (version, kind, id) < (${after.version}, ${after.kind}, ${after.id})`}
    order by version desc, kind desc, id desc
    limit ${limit + 1}`
  return { items: items.slice(0, limit), hasMore: items.length > limit }
}
