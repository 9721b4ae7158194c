// Before the first test file: one throw-away Postgres for all of them, fast instead of safe.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { TestProject } from 'vitest/node'

import { Ports } from '../../ops/local/ports.ts'
import { startPostgres } from '../../ops/local/postgres.ts'

declare module 'vitest' {
  interface ProvidedContext {
    postgresUrl: string
  }
}

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = mkdtempSync(join(tmpdir(), 'resource-manager-test-'))
  const clear = (): void => rmSync(folder, { recursive: true, force: true })
  const server = await startPostgres({
    folder,
    record: join(folder, 'postgres.json'),
    logFile: join(folder, 'postgres.log'),
    ports: new Ports(),
    port: 0,
    settings: ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off'],
    say: (line) => process.stderr.write(`${line}\n`),
  }).catch((error: unknown) => {
    clear()
    throw error
  })
  project.provide('postgresUrl', server.url)
  return async () => {
    await server.stop()
    clear()
  }
}
