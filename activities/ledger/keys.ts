// API keys: only their hashes are kept.

import type { Queries } from './database.ts'
import { timestamp } from './statement.ts'

export const KEY_SCOPES = ['execute', 'read', 'internal', 'admin'] as const
export type KeyScope = (typeof KEY_SCOPES)[number]

export type Key = {
  readonly keyId: string
  /** The only client that it acts for; null: any. */
  readonly clientId: string | null
  readonly scopes: readonly KeyScope[]
  readonly label: string
  readonly createdAtMs: number
  readonly expiresAtMs: number | null
}

export async function createKey(sql: Queries, key: Key & { readonly hash: string }): Promise<void> {
  const { keyId, hash, clientId, scopes, label, createdAtMs, expiresAtMs } = key
  await sql`
    insert into api_key (id, hash, client_id, scopes, label, created_at, expires_at)
    values (${keyId}, ${hash}, ${clientId}, ${[...scopes]}, ${label}, ${timestamp(createdAtMs)}, ${timestamp(expiresAtMs)})`
}

/** Null where no such key is valid at `atMs`. */
export async function findKeyByHash(sql: Queries, hash: string, atMs: number): Promise<Key | null> {
  const [row] = await sql<KeyRow[]>`
    select id, client_id, scopes, label, created_at, expires_at
    from api_key where hash = ${hash} and (expires_at is null or expires_at > ${timestamp(atMs)})`
  return row === undefined ? null : fromRow(row)
}

export async function listKeys(sql: Queries): Promise<readonly Key[]> {
  const rows = await sql<KeyRow[]>`
    select id, client_id, scopes, label, created_at, expires_at from api_key order by created_at, id`
  return rows.map(fromRow)
}

/** False where there is no such key. */
export async function deleteKey(sql: Queries, keyId: string): Promise<boolean> {
  const { count } = await sql`delete from api_key where id = ${keyId}`
  return count > 0
}

type KeyRow = {
  readonly id: string
  readonly clientId: string | null
  readonly scopes: readonly KeyScope[]
  readonly label: string
  readonly createdAt: number
  readonly expiresAt: number | null
}

function fromRow({ id, clientId, scopes, label, createdAt, expiresAt }: KeyRow): Key {
  return { keyId: id, clientId, scopes, label, createdAtMs: createdAt, expiresAtMs: expiresAt }
}
