import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { deleteClient, deleteResource, deleteTier } from '../../activities/ledger/delete-object.ts'
import { admit } from '../../activities/ledger/admit.ts'
import { budgetsOf } from '../../activities/ledger/read-budgets.ts'
import { configVersion, listPrices, readClient, readResource } from '../../activities/ledger/read-config.ts'
import { createKey, deleteKey, findKeyByHash, listKeys } from '../../activities/ledger/keys.ts'
import { getBudgets } from '../../activities/ledger/get-budgets.ts'
import { limiterConfig } from '../../activities/ledger/limiter-config.ts'
import { migrate } from '../../activities/ledger/migrate.ts'
import { putResource } from '../../activities/ledger/put-resource.ts'
import { putTemplate } from '../../activities/ledger/put-template.ts'
import { putTier } from '../../activities/ledger/put-tier.ts'
import { readLimiterView, writeLimiterView } from '../../activities/ledger/limiter-view.ts'
import { readWholeConfig } from '../../activities/ledger/read-whole-config.ts'
import { replaceConfig } from '../../activities/ledger/replace-config.ts'
import { createDatabase } from '../support/postgres.ts'
import { openDatabase } from '../../activities/ledger/database.ts'
import * as f from './fixture.ts'

let ledger: f.Ledger
beforeAll(async () => {
  ledger = await f.openLedger()
})
afterAll(async () => {
  await ledger.close()
})

describe('one object', () => {
  test('C1: each change has a version and is kept with who made it', async () => {
    const { sql } = ledger
    const before = await configVersion(sql)
    expect(await putResource(sql, f.resource({ id: 'new' }), 'ann')).toEqual({
      version: before + 1,
      created: true,
    })
    expect(await putResource(sql, f.resource({ id: 'new', maxQueue: 5 }), 'ben')).toEqual({
      version: before + 2,
      created: false,
    })
    expect(await readResource(sql, 'new')).toMatchObject({ maxQueue: 5 })
    expect(await limiterConfig(sql)).toMatchObject({
      version: before + 2,
      resources: { new: { maxQueue: 5 } },
      tiers: { standard: { points: 20, weight: 2 } },
    })
    expect(await deleteResource(sql, 'new', 'cat')).toEqual({ version: before + 3 })
    expect(await deleteResource(sql, 'new', 'cat')).toBeNull()
    const changes = await sql`select actor, before -> 'maxQueue' as before, after -> 'maxQueue' as after
      from config_change where id = 'new' order by version`
    expect(changes.map(({ actor, before, after }) => [actor, before, after])).toEqual([
      ['ann', null, 1_000],
      ['ben', 1_000, 5],
      ['cat', 5, null],
    ])
  })

  test('a client needs its tier, a budget its unit; what is in use stays', async () => {
    const { sql } = ledger
    const version = await configVersion(sql)
    expect(await f.client(sql, { id: 'lost', tier: 'none' })).toMatchObject({
      refusal: { code: 'unknown-tier' },
    })
    const budgets = [f.hard('lost', 5)].map((budget) => ({
      ...budget,
      unit: 'none',
    }))
    expect(await f.client(sql, { id: 'lost' }, budgets)).toMatchObject({
      refusal: { code: 'unknown-resource' },
    })
    expect([await readClient(sql, 'lost'), await configVersion(sql)]).toEqual([null, version])
    expect(await deleteTier(sql, 'standard', f.ACTOR)).toBe('in-use')
    await f.client(sql, { id: 'busy' })
    await admit(sql, f.reservation({ clientId: 'busy' }), f.NOON)
    expect(await deleteClient(sql, 'busy', f.ACTOR)).toBe('in-use')
  })

  test('replaced budgets keep what is held, removed ones hold no more, and come back with their count', async () => {
    const { sql } = ledger
    await f.client(sql, { id: 'kept' }, [f.hard('kept', '1'), f.hard('kept', 100)])
    await admit(sql, f.reservation({ clientId: 'kept' }), f.NOON)
    await f.putBudgets(sql, 'kept', [f.hard('kept', '2')])
    expect(await getBudgets(sql, 'kept', f.NOON)).toMatchObject([
      { held: f.usd('0.01'), remaining: f.usd('1.99') },
    ])
    await f.client(sql, { id: 'kept' }, [f.hard('kept', '2'), f.hard('kept', 100)])
    expect(await getBudgets(sql, 'kept', f.NOON)).toMatchObject([
      { budget: { unit: 'USD' } },
      { held: 10, remaining: 90 },
    ])
    expect(await budgetsOf(sql, 'kept')).toEqual([f.hard('kept', '2'), f.hard('kept', 100)])
  })

  test('prices are added, never changed', async () => {
    await f.price(ledger.sql, 'p', '0.000000000000001', { effectiveFromMs: 5 })
    await f.price(ledger.sql, 'p', '2.50', { effectiveFromMs: 5 })
    expect(await listPrices(ledger.sql, 'p')).toMatchObject([
      { perUnitUsd: '2.5', effectiveFromMs: 5, source: 'test' },
      { perUnitUsd: '0.000000000000001' },
    ])
  })
})

describe('the whole', () => {
  test('C1, C2: only what differs is written, what is missing is removed, a stale version is told', async () => {
    const { sql } = ledger
    await putTemplate(
      sql,
      {
        name: 't',
        worker: 'echo',
        action: null,
        models: [],
        resources: null,
        expectedMs: null,
        deferrable: false,
      },
      f.ACTOR,
    )
    const { version, catalogue } = await readWholeConfig(sql)
    await putTier(sql, f.tier({ id: 'extra' }), f.ACTOR)
    expect(await replaceConfig(sql, catalogue, version, 'eve')).toEqual({
      kind: 'stale',
      version: version + 1,
    })
    expect(await replaceConfig(sql, catalogue, version + 1, 'eve')).toEqual({
      kind: 'replaced',
      version: version + 2,
    })
    expect(await readWholeConfig(sql)).toEqual({ version: version + 2, catalogue })
    const changes = await sql`select kind, id from config_change where version = ${version + 2}`
    expect(changes.map(({ kind, id }) => [kind, id])).toEqual([['tier', 'extra']])
    const clients = [
      { id: 'c', tier: 'none', maxConcurrent: null, dailyRequests: null, priorityMax: 'low' },
    ] as const
    expect(await replaceConfig(sql, { ...catalogue, clients }, null, 'eve')).toMatchObject({
      refusal: { code: 'unknown-tier' },
    })
    const empty = {
      resources: [],
      tiers: [],
      clients: [],
      templates: [],
      workers: [],
      budgets: [],
      prices: [],
    }
    expect(await replaceConfig(sql, empty, null, 'eve')).toMatchObject({ kind: 'replaced' })
    expect((await readWholeConfig(sql)).catalogue).toEqual({ ...empty, prices: catalogue.prices })
    expect(await replaceConfig(sql, catalogue, null, 'eve')).toMatchObject({ kind: 'replaced' })
    expect((await readWholeConfig(sql)).catalogue).toEqual(catalogue)
  })
})

test('keys are found by their hash until they expire', async () => {
  const { sql } = ledger
  const key = {
    keyId: 'k',
    clientId: null,
    scopes: ['read', 'execute'],
    label: 'ci',
    createdAtMs: f.NOON,
    expiresAtMs: f.NOON + 10,
  } as const
  await createKey(sql, { ...key, hash: 'h' })
  expect(await findKeyByHash(sql, 'h', f.NOON + 9)).toEqual(key)
  expect(await findKeyByHash(sql, 'h', f.NOON + 10)).toBeNull()
  expect(await listKeys(sql)).toEqual([key])
  expect([await deleteKey(sql, 'k'), await deleteKey(sql, 'k')]).toEqual([true, false])
})

test('V2: an older state of the limiter never replaces a newer one', async () => {
  const { sql } = ledger
  await writeLimiterView(sql, 'g', 10, '{"a":1}')
  await writeLimiterView(sql, 'g', 9, '{}')
  expect(await readLimiterView(sql, 'g', 0)).toEqual({ asOfMs: 10, snapshot: '{"a":1}' })
  expect(await readLimiterView(sql, 'g', 10)).toBeNull()
})

test('two processes that migrate at once both find the tables', async () => {
  const database = await createDatabase()
  await Promise.all([migrate(database.url), migrate(database.url)])
  await migrate(database.url)
  const sql = openDatabase(database.url, { max: 1 })
  expect(await configVersion(sql)).toBe(0)
  await sql.end()
  await database.drop()
})
