// Brings the tables of a database up to date. Whoever comes second waits for the first.

import { fileURLToPath } from 'node:url'
import { runner } from 'node-pg-migrate'
import { openDatabase } from './database.ts'
import { makePartitions } from './partitions.ts'

export async function migrate(databaseUrl: string): Promise<void> {
  await runner({
    databaseUrl,
    dir: fileURLToPath(new URL('migrations', import.meta.url)),
    migrationsTable: 'migration',
    direction: 'up',
    advisoryLockMode: 'wait',
    log: () => undefined,
  })
  const sql = openDatabase(databaseUrl, { max: 1 })
  try {
    await makePartitions(sql, Date.now())
  } finally {
    await sql.end()
  }
}
