// Brings the tables of a database up to date. Whoever comes second waits for the first.

import { fileURLToPath } from 'node:url'
import { runner } from 'node-pg-migrate'

export async function migrate(databaseUrl: string): Promise<void> {
  await runner({
    databaseUrl,
    dir: fileURLToPath(new URL('migrations', import.meta.url)),
    migrationsTable: 'migration',
    direction: 'up',
    advisoryLockMode: 'wait',
    log: () => undefined,
  })
}
