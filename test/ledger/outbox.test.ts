// The order of events, and that nobody who catches up misses one.

import { afterAll, beforeEach, expect, test } from 'vitest'
import { admit } from '../../activities/ledger/admit.ts'
import { forgetEvents } from '../../activities/ledger/forget-events.ts'
import { readEvents } from '../../activities/ledger/read-events.ts'
import { readOutbox, type OutboxEvent } from '../../activities/ledger/read-outbox.ts'
import { recordEffects } from '../../activities/ledger/record-effects.ts'
import { settleExecution } from '../../activities/ledger/settle-execution.ts'
import { beginAttempt } from '../../activities/ledger/begin-attempt.ts'
import * as f from './fixture.ts'

const ledger = await f.openLedger()
const { sql } = ledger
afterAll(() => ledger.close())
beforeEach(() => sql.unsafe('truncate event'))

const all = { after: 0, limit: 1_000, clientId: null }
const namesOf = (events: readonly OutboxEvent[]) => events.map(({ name }) => name)

test('N1, N2: an execution from admission to its end, under the names of the wire', async () => {
  const ask = f.execution()
  await admit(sql, ask, f.NOON)
  await recordEffects(sql, [f.granted(ask.id)])
  await beginAttempt(sql, ask.id, f.NOON)
  await settleExecution(sql, ask.id, { kind: 'completed', output: null, partial: false }, f.NOON + 5)
  const events = await readOutbox(sql, all)
  expect(namesOf(events).filter((name) => name.startsWith('execution.'))).toEqual([
    'execution.admitted',
    'execution.queued',
    'execution.granted',
    'execution.started',
    'execution.completed',
  ])
  expect(events.at(-1)).toMatchObject({ requestId: ask.id, clientId: 'acme', atMs: f.NOON + 5 })
  const last = events.at(-2)?.sequence ?? 0
  expect(await readOutbox(sql, { ...all, after: last })).toEqual(events.slice(-1))
  expect(await readOutbox(sql, { ...all, clientId: 'other' })).toEqual([])
})

test('O1: what commits later gets a higher number, although its row was written first', async () => {
  const [early, late] = [f.reservation(), f.reservation()]
  let commit = () => {}
  const held = new Promise<void>((resolve) => (commit = resolve))
  let written = () => {}
  const isWritten = new Promise<void>((resolve) => (written = resolve))
  const slow = sql.begin(async (tx) => {
    await tx`insert into event (request_id, state, at) values (${early.id}, 'waiting', now())`
    written()
    await held
  })
  await isWritten
  await admit(sql, late, f.NOON)
  const seen = await readOutbox(sql, all)
  expect(new Set(seen.map(({ requestId }) => requestId))).toEqual(new Set([late.id]))
  commit()
  await slow
  const rest = await readOutbox(sql, { ...all, after: seen.at(-1)?.sequence ?? 0 })
  expect(rest.map(({ requestId }) => requestId)).toEqual([early.id])
})

test('O1: one reader at a time gives numbers: none is drawn in vain, however many ask at once', async () => {
  const READERS = 6
  await admit(sql, f.reservation(), f.NOON)
  await readOutbox(sql, all)
  const before = await lastNumber()
  const ask = f.reservation()
  await admit(sql, ask, f.NOON)
  const readers = await sql.begin(async (tx) => {
    await tx`select from event where request_id = ${ask.id} for update`
    const asked = Array.from({ length: READERS }, () => readOutbox(sql, { ...all, after: before }))
    await f.waiting(sql, READERS)
    return () => Promise.all(asked)
  })
  const pages = await readers()
  expect(pages.map((page) => page.map(({ sequence }) => sequence - before))).toEqual(
    Array.from({ length: READERS }, () => [1, 2]),
  )
  expect(await lastNumber()).toBe(before + 2)
})

test('O3: what nobody reads has no number', async () => {
  const before = await lastNumber()
  await admit(sql, f.reservation(), f.NOON)
  expect(await sql`select from event where number is not null`).toHaveLength(0)
  expect(await lastNumber()).toBe(before)
})

async function lastNumber(): Promise<number> {
  const [{ last }] = await sql<[{ last: number }]>`select last_value as last from event_number_sequence`
  return last
}

test('O1, O2: readers that page while writers write see every event once, each request’s in order', async () => {
  const asks = Array.from({ length: 60 }, () => f.execution())
  let isOver = false
  const writers = Promise.all(
    asks.map(async ({ id }, nth) => {
      await admit(sql, { ...f.execution(), id }, f.NOON)
      await recordEffects(sql, [f.granted(id)])
      await beginAttempt(sql, id, f.NOON)
      if (nth % 2 === 0) await settleExecution(sql, id, { kind: 'cancelled' }, f.NOON)
    }),
  ).finally(() => (isOver = true))
  const follow = async () => {
    const seen: OutboxEvent[] = []
    for (;;) {
      const wasOver = isOver
      const page = await readOutbox(sql, { ...all, after: seen.at(-1)?.sequence ?? 0, limit: 7 })
      seen.push(...page)
      if (wasOver && page.length === 0) return seen
    }
  }
  const [first, second] = await Promise.all([follow(), follow(), writers])
  const [{ count }] = await sql<[{ count: number }]>`select count(*) from event`
  expect(first).toHaveLength(count)
  expect(second).toEqual(first)
  for (const { id } of asks) {
    const own = first.filter(({ requestId, name }) => requestId === id && name.startsWith('execution.'))
    const order = ['admitted', 'queued', 'granted', 'started', 'cancelled'].map((word) => `execution.${word}`)
    expect(namesOf(own)).toEqual(order.slice(0, own.length))
  }
})

test('kept for their time, then forgotten; numbers go on', async () => {
  await admit(sql, f.reservation(), f.NOON)
  const [first] = await readOutbox(sql, all)
  expect(await forgetEvents(sql, f.NOON + 1_000, 1_000)).toBe(0)
  expect(await forgetEvents(sql, f.NOON + 1_001, 1_000)).toBe(2)
  const ask = f.reservation()
  await admit(sql, ask, f.NOON)
  const [next] = await readOutbox(sql, all)
  expect(next?.sequence).toBeGreaterThan(first?.sequence ?? Infinity)
  expect(await readEvents(sql, ask.id, 0, 10)).toHaveLength(2)
})
