// What goes over the connection, and what happens to it.

import { once } from 'node:events'
import { connect, createServer, type AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { admit } from '../../activities/ledger/admit.ts'
import { openDatabase } from '../../activities/ledger/database.ts'
import { listRequests } from '../../activities/ledger/list-requests.ts'
import { release } from '../../activities/ledger/release.ts'
import { recordEffects } from '../../activities/ledger/record-effects.ts'
import { jsonb, timestamp } from '../../activities/ledger/statement.ts'
import { eventually } from '../support/await-state.ts'
import * as f from './fixture.ts'

let ledger: f.Ledger
beforeAll(async () => {
  ledger = await f.openLedger()
})
afterAll(() => ledger.close())

describe('values', () => {
  test('D1: a bigint is a number where it is a safe integer; else it is not read', async () => {
    const { sql } = ledger
    expect(await sql`select ${'9007199254740991'}::bigint as most`).toEqual([
      { most: Number.MAX_SAFE_INTEGER },
    ])
    await expect(sql`select ${'9007199254740993'}::bigint as more`).rejects.toThrow('no safe integer')
  })

  test('D2, D3: a time is epoch milliseconds, whatever the zone; names change their case', async () => {
    const { sql } = ledger
    const [row] = await sql`
      select ${timestamp(f.NOON + 1)}::timestamptz as begun_at, '2026-11-21 13:00+01'::timestamptz as ended_at_ms`
    expect(row).toEqual({ begunAt: f.NOON + 1, endedAtMs: f.NOON })
  })

  test('T1: text of a value is never text of the statement', async () => {
    const { sql } = ledger
    const hostile = `'); drop table request; --`
    expect(await sql`select ${hostile}::text as told, ${jsonb([hostile])}::jsonb as kept`).toEqual([
      { told: hostile, kept: [hostile] },
    ])
    expect(await sql`select from request where id = ${hostile}`).toEqual([])
  })
})

describe('statements', () => {
  test('T2: one is sent when it is awaited, and once', async () => {
    const { sql } = ledger
    const statement = sql`insert into api_key (id, hash, scopes, label, created_at)
      values ('k', 'h', '{}', '', now()) returning id`
    expect(await sql`select id from api_key`).toEqual([])
    expect([await statement, await statement]).toEqual([[{ id: 'k' }], [{ id: 'k' }]])
    expect(await sql`select id from api_key`).toEqual([{ id: 'k' }])
  })

  test('D5: what is sent without being awaited in between goes down a connection together', async () => {
    const between = await startProxy('two_of_two')
    const sql = openDatabase(between.url, { max: 1 })
    // No answer comes through before the second statement has been sent.
    const answers = sql.begin((tx) => Promise.all([tx`select 1 as one_of_two`, tx`select 2 as two_of_two`]))
    expect(await answers).toEqual([[{ oneOfTwo: 1 }], [{ twoOfTwo: 2 }]])
    await sql.end()
    await between.stop()
  })

  test('L1: a listener whose connection dies is replaced, and hears again', async () => {
    const { sql } = ledger
    const heard: string[] = []
    const listener = await sql.listen('noise', (payload) => heard.push(payload))
    const say = async (word: string) => {
      await sql`select pg_notify('noise', ${word})`
      return heard.includes(word)
    }
    await eventually(() => say('before'))
    await sql`select pg_terminate_backend(pid) from pg_stat_activity where query = 'listen noise'`
    await eventually(() => say('after'))
    await listener.stop()
  })
})

test('L1: pages are in one order, the newest first, whatever comes in between', async () => {
  const { sql } = ledger
  await f.client(sql, { id: 'lister' })
  const ask = (id: string) => f.reservation({ id, clientId: 'lister' })
  // Two of the same moment are in the order of their ids.
  for (const [id, atMs] of [
    ['a', 1],
    ['b', 2],
    ['c', 2],
    ['d', 3],
  ] as const)
    await admit(sql, ask(id), f.NOON + atMs)
  const page = (after: { createdAtMs: number; id: string } | null) =>
    listRequests(sql, { kind: null, clientId: 'lister', state: null, after, limit: 2 }, f.NOON)
  const first = await page(null)
  await admit(sql, ask('e'), f.NOON + 4)
  const second = await page(first.next)
  expect([first, second].map(({ items }) => items.map(({ id }) => id))).toEqual([
    ['d', 'c'],
    ['b', 'a'],
  ])
  expect(second.next).toBeNull()
})

describe('B3: before its periods, whoever needs it locks', () => {
  /** Somebody holds the row; nothing else is locked by whoever waits for it. */
  async function whileLocked(row: 'client' | 'request', id: string, waits: () => Promise<unknown>) {
    const { sql } = ledger
    await sql
      .begin(async (tx) => {
        await (row === 'client'
          ? tx`select from client where id = ${id} for update`
          : tx`select from request where id = ${id} for update`)
        const waiting = waits()
        await f.waiting(sql, 1)
        expect(await tx`select from budget_period for update nowait`).not.toHaveLength(0)
        return () => waiting
      })
      .then((over) => over())
  }

  test('the client, where it has a daily limit', async () => {
    const { sql } = ledger
    await f.client(sql, { id: 'daily', dailyRequests: 9 }, [f.hard('daily', 100)])
    await admit(sql, f.reservation({ clientId: 'daily' }), f.NOON)
    await whileLocked('client', 'daily', () => admit(sql, f.reservation({ clientId: 'daily' }), f.NOON))
  })

  test('the request that is settled', async () => {
    const { sql } = ledger
    await f.client(sql, { id: 'settler' }, [f.hard('settler', 100)])
    const { id: reservationId, ...ask } = f.reservation({ clientId: 'settler' })
    await admit(sql, { ...ask, id: reservationId }, f.NOON)
    await recordEffects(sql, [f.granted(reservationId)])
    const given = {
      reservationId,
      actual: null,
      costNanoUsd: null,
      outcome: 'success',
      contentHash: 'h',
    } as const
    await whileLocked('request', reservationId, () => release(sql, given, f.NOON))
  })
})

/** A way to the server of `ledger` on which answers wait, from the first statement on, until `text` was sent. */
async function startProxy(text: string) {
  const to = new URL(ledger.url)
  const proxy = createServer((client) => {
    const server = connect(Number(to.port), to.hostname)
    let sent = ''
    let kept: Buffer[] = []
    const isHeld = () => sent.includes('one_of_two') && !sent.includes(text)
    client.on('data', (bytes) => {
      sent += bytes.toString('latin1')
      server.write(bytes)
      if (isHeld()) return
      for (const answer of kept) client.write(answer)
      kept = []
    })
    server.on('data', (bytes) => (isHeld() ? kept.push(bytes) : client.write(bytes)))
    client.on('close', () => server.destroy())
    server.on('close', () => client.destroy())
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  const url = new URL(to)
  url.hostname = '127.0.0.1'
  url.port = String((proxy.address() as AddressInfo).port)
  return {
    url: url.href,
    stop: async () => {
      proxy.close()
      await once(proxy, 'close')
    },
  }
}
