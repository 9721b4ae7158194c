import { afterAll, beforeAll, expect, test } from 'vitest'
import { Announcements } from '../../activities/announcements.ts'
import { openDatabase, type Sql } from '../../activities/ledger/database.ts'
import { createDatabase, type TestDatabase } from '../support/postgres.ts'

let database: TestDatabase
let here: { sql: Sql; announcements: Announcements }
let there: { sql: Sql; announcements: Announcements }

async function connect() {
  const sql = openDatabase(database.url, { max: 2 })
  const announcements = new Announcements(sql)
  await announcements.start()
  return { sql, announcements }
}

beforeAll(async () => {
  database = await createDatabase()
  here = await connect()
  there = await connect()
})
afterAll(async () => {
  for (const { sql, announcements } of [here, there]) {
    await announcements.stop()
    await sql.end()
  }
  await database.drop()
})

/** A value that appears, and how often it was looked at. */
function appearing() {
  let value: string | null = null
  let looks = 0
  return {
    read: async () => {
      looks += 1
      return value
    },
    set: (next: string) => (value = next),
    looks: () => looks,
  }
}

test('what is there is read at once', async () => {
  expect(await here.announcements.waitFor('a', async () => 'there', 1_000)).toBe('there')
})

test('N1: whoever waits, in this process or another, hears of it', async () => {
  for (const waiter of [here, there]) {
    const value = appearing()
    const waited = waiter.announcements.waitFor('a', value.read, 10_000)
    value.set('now')
    const startedMs = performance.now()
    await here.announcements.announce(['b', 'a'])
    expect(await waited).toBe('now')
    expect(performance.now() - startedMs).toBeLessThan(900)
  }
})

test('N3: without a word it is looked at again; null at the timeout', async () => {
  const value = appearing()
  setTimeout(() => value.set('late'), 50)
  expect(await here.announcements.waitFor('c', value.read, 5_000)).toBe('late')
  expect(await here.announcements.waitFor('d', async () => null, 20)).toBeNull()
})

test('N2: many ids go in few notifications, none is lost', async () => {
  const ids = Array.from({ length: 400 }, (_, n) => `${'x'.repeat(100)}-${n}`)
  const heard = ids.map((id) => {
    const value = appearing()
    const waited = there.announcements.waitFor(id, value.read, 10_000)
    value.set(id)
    return waited
  })
  const startedMs = performance.now()
  await Promise.all(ids.map((id) => here.announcements.announce([id])))
  expect(await Promise.all(heard)).toEqual(ids)
  expect(performance.now() - startedMs).toBeLessThan(900)
})

test('what an act brings about is looked at when it is announced, be it during the act, and not before', async () => {
  for (const teller of [here, there]) {
    const value = appearing()
    const act = async () => {
      value.set('done')
      await teller.announcements.announce(['e'])
    }
    const wait = { read: value.read, timeoutMs: 10_000 }
    expect(await here.announcements.waitAfter('e', act, wait)).toBe('done')
    expect(value.looks()).toBe(1)
  }
})
