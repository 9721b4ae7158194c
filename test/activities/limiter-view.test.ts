// The limiter's published state, from the process that has the limiter to one that has not.

import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openDatabase, type Sql } from '../../activities/ledger/database.ts'
import { migrate } from '../../activities/ledger/migrate.ts'
import { LimiterView } from '../../activities/limiter-view.ts'
import { createState, encodeView } from '../../limiter/state.ts'
import { step } from '../../limiter/step.ts'
import { resource } from '../ledger/fixture.ts'
import { eventually } from '../support/await-state.ts'
import { createDatabase, type TestDatabase } from '../support/postgres.ts'

let database: TestDatabase
let sql: Sql
beforeAll(async () => {
  database = await createDatabase()
  await migrate(database.url)
  sql = openDatabase(database.url, { max: 4 })
})
afterAll(async () => {
  await sql.end()
  await database.drop()
})

/** As the limiter publishes it. */
function configured(version: number): string {
  const state = createState()
  step(state, {
    kind: 'configure',
    atMs: version,
    version,
    resources: { gpt: resource() },
    tiers: {},
    clients: {},
  })
  return JSON.stringify(encodeView(state))
}

test('V1, V2: a reader in another process sees what was published, and never goes back', async () => {
  const log = pino({ level: 'silent' })
  const [limiter, reader] = [new LimiterView(sql, 'g', log), new LimiterView(sql, 'g', log)]
  const seen = async () => (await reader.current()).configVersion
  for (const version of [1, 2]) {
    limiter.publish(version, configured(version))
    await limiter.flush()
    await eventually(async () => (await seen()) === version)
  }
  await limiter.current()
  limiter.publish(1, configured(1))
  expect((await limiter.current()).configVersion).toBe(2)
  await limiter.flush()
  expect(await seen()).toBe(2)
})
