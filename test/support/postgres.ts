// A database of its own for each test file, on the server that global-setup.ts started.

import { randomBytes } from 'node:crypto'

import postgres from 'postgres'
import { inject } from 'vitest'

export interface TestDatabase {
  readonly url: string
  readonly drop: () => Promise<void>
}

/** Makes an empty database; `drop` removes it, whoever is still connected. */
export async function createDatabase(): Promise<TestDatabase> {
  const server = inject('postgresUrl')
  const name = `test_${randomBytes(6).toString('hex')}`
  await execute(server, `create database ${name}`)
  const url = new URL(server)
  url.pathname = `/${name}`
  return { url: url.href, drop: () => execute(server, `drop database ${name} with (force)`) }
}

async function execute(url: string, statement: string): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice: () => undefined })
  try {
    await sql.unsafe(statement)
  } finally {
    await sql.end()
  }
}
