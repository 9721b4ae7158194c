// The newest version of the configuration that the limiter has confirmed.

import type { Queries } from './database.ts'

export async function readAppliedVersion(sql: Queries): Promise<number> {
  const [row] = await sql<[{ appliedVersion: number }]>`select applied_version from config`
  return row.appliedVersion
}

/** An older version never replaces a newer one. */
export async function writeAppliedVersion(sql: Queries, version: number): Promise<void> {
  await sql`update config set applied_version = ${version} where applied_version < ${version}`
}
