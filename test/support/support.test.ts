// The supports themselves: a database of its own, and both kinds of Temporal.

import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { SEARCH_ATTRIBUTES } from '../../workflows/messages.ts'
import { eventually } from './await-state.ts'
import { createDatabase } from './postgres.ts'
import { startDevServer, startTimeSkipping } from './temporal.ts'

test('two test files have two databases', async () => {
  const [one, other] = await Promise.all([createDatabase(), createDatabase()])
  const sql = [postgres(one.url), postgres(other.url)] as const
  await sql[0]`create table mark (id int)`
  expect(await sql[1]`select to_regclass('mark') as mark`).toEqual([{ mark: null }])
  await Promise.all([...sql.map((connection) => connection.end()), one.drop(), other.drop()])
})

describe('the time-skipping server', () => {
  let environment: Awaited<ReturnType<typeof startTimeSkipping>>
  beforeAll(async () => void (environment = await startTimeSkipping()))
  afterAll(() => environment.teardown())

  test('skips a month in a moment', async () => {
    const before = await environment.currentTimeMs()
    await environment.sleep('30 days')
    expect((await environment.currentTimeMs()) - before).toBeGreaterThanOrEqual(30 * 86_400_000)
  })
})

describe('the dev server', () => {
  let environment: Awaited<ReturnType<typeof startDevServer>>
  beforeAll(async () => void (environment = await startDevServer()))
  afterAll(() => environment.teardown())

  test('knows our search attributes', async () => {
    const { customAttributes } = await environment.connection.operatorService.listSearchAttributes({
      namespace: 'default',
    })
    expect(Object.keys(customAttributes)).toEqual(expect.arrayContaining([...SEARCH_ATTRIBUTES]))
  })
})

test('eventually says what it saw last', async () => {
  await expect(eventually(() => null, { timeoutMs: 30 })).rejects.toThrow('null')
  let looks = 0
  expect(await eventually(() => (looks += 1) > 2 && 'seen')).toBe('seen')
})
