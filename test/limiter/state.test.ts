import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { CLIENTS_MAX } from '../../limiter/client.ts'
import { BACKFILL_DEPTH_MAX } from '../../limiter/drain.ts'
import { CONTINUED_BYTES_MAX } from '../../limiter/book.ts'
import { encode, restore, SNAPSHOT_VERSION } from '../../limiter/state.ts'
import { step } from '../../limiter/step.ts'
import {
  boundless,
  bucket,
  grantedIds,
  limiter,
  reserve,
  resource,
  run,
  settle,
  slots,
  T0,
  tick,
  window,
} from './fixture.ts'

const BUSY = resource('gpt', [bucket(1_000, 1_000, 60_000), window(1_000, 60_000), slots(1)], {
  maxQueue: 300_000,
})

test('I3 a waiting reservation takes at most 70 bytes with its id, a UUID and a generation; 5,000 take less than 400 KB', () => {
  const state = limiter(BUSY)
  run(state, reserve('r0', 0, 500))
  const empty = JSON.stringify(encode(state)).length
  for (let at = 1; at <= 5_000; at += 1) {
    const more = { clientId: `client-${at % 50}`, leaseMs: 300_000 }
    run(state, reserve(`${randomUUID()}#1`, at * 37, 10 + (at % 500), more))
  }
  const bytes = JSON.stringify(encode(state)).length
  expect((bytes - empty) / 5_000).toBeLessThanOrEqual(70)
  expect(bytes).toBeLessThan(400_000)
})

test('I1 a snapshot of another version is not taken over', () => {
  const snapshot = encode(limiter(BUSY))
  const other = { ...snapshot, version: 2 } as unknown as typeof snapshot
  expect(SNAPSHOT_VERSION).toBe(1)
  expect(() => restore(other)).toThrow('snapshot version 2, expected 1')
})

test('K2 of idle clients, no more than CLIENTS_MAX are remembered, and none of whom nothing is left to count', () => {
  const state = boundless(resource('gpt', [window(1_000_000, 1_000)]))
  for (let at = 0; at < CLIENTS_MAX + 50; at += 1) {
    run(state, reserve(`r${at}`, 0, 10, { clientId: `c${at}` }), settle(`r${at}`, 0))
  }
  expect(state.clients.size).toBe(CLIENTS_MAX)
  run(state, tick(86_400_000))
  expect(state.clients.size).toBe(0)
})

test('K2 BY2 idle clients take an eighth of what a continued run can be given at most, the oldest are forgotten first', () => {
  const state = limiter(resource('gpt', [window(1_000_000, 1_000)]))
  const idOf = (nth: number): string => `c${nth}`.padEnd(128, '.')
  for (let at = 0; at < 2_000; at += 1) {
    run(state, reserve(`r${at}`, 0, 10, { clientId: idOf(at) }), settle(`r${at}`, 0))
  }
  expect(JSON.stringify(encode(state).clients).length).toBeLessThanOrEqual(CONTINUED_BYTES_MAX / 8)
  expect(state.clients.size).toBeGreaterThan(1_000)
  expect([state.clients.has(idOf(0)), state.clients.has(idOf(1_999))]).toEqual([false, true])
})

test('D3 behind a blocked head, at most BACKFILL_DEPTH_MAX of its shape are looked at', () => {
  const state = limiter(resource('gpt', [slots(1)]), resource('mail', [window(100, 60_000)]))
  run(state, reserve('r0', 0, 0, { demand: [['mail', 60]] }))
  const wait = (id: string, units: number) =>
    run(state, reserve(id, 1, 0, { clientId: id, demand: [['mail', units]] }))
  // Each of these needs more than is left, and leaves 10 for others when its turn comes.
  for (let at = 0; at <= BACKFILL_DEPTH_MAX; at += 1) wait(`big-${at}`, 90)
  expect(grantedIds(wait('near', 10))).toEqual([])
  step(state, { kind: 'boost', atMs: T0 + 1, id: 'near', points: 1 })
  expect(state.reservations.get('near')?.kind).toBe('granted')
})
