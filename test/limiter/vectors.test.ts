// Cases that others publish, or let through, by their numbers in docs/vectors.md.

import { describe, expect, test } from 'vitest'
import type { LimiterEvent } from '../../limiter/event.ts'
import type { LimiterState } from '../../limiter/state.ts'
import { availability } from '../../limiter/view.ts'
import {
  grantedIds,
  limiter,
  reserve,
  resource,
  run,
  settle,
  slots,
  T0,
  tick,
  told,
  tryReserve,
  window,
} from './fixture.ts'

test('vector 11 (anti, approximate counters): an adversary who gets 199 of 100 from two counters gets 100 in any minute', () => {
  const state = limiter(resource('gpt', [window(100, 60_000)], { refund: 'none' }))
  const grants: number[] = []
  // All at the end of a minute and at the beginning of the next, and on through several.
  for (let atMs = 0; atMs < 300_000; atMs += 500) {
    const isBurst = atMs % 60_000 >= 59_000 || atMs % 60_000 < 1_000
    for (let nth = 0; nth < (isBurst ? 100 : 1); nth += 1) {
      if (grantedIds(run(state, tryReserve(`r${atMs}-${nth}`, atMs, 1))).length > 0) grants.push(atMs)
    }
  }
  const most = Math.max(
    ...grants.map((last) => grants.filter((atMs) => atMs > last - 60_000 && atMs <= last).length),
  )
  expect(most).toBe(100)
})

describe('vector 13 (Netflix concurrency-limits, AIMD)', () => {
  const adaptive = (units: number) =>
    limiter(
      resource('web', [
        { type: 'adaptive', units, windowMs: 60_000, floor: 1_000, decrease: 9_000, increase: 100 },
      ]),
    )
  const sizeOf = (state: LimiterState, atMs: number) => availability(state, T0 + atMs, 'web')[0]?.available
  const drop = (atMs: number): LimiterEvent => ({
    kind: 'throttle',
    atMs: T0 + atMs,
    resourceId: 'web',
    untilMs: T0 + atMs,
  })

  test('a drop at 30 makes it 27, and one more 24', () => {
    const state = adaptive(30)
    expect(sizeOf(state, 0)).toBe(30)
    run(state, drop(0))
    expect(sizeOf(state, 0)).toBe(27)
    run(state, drop(1))
    expect(sizeOf(state, 1)).toBe(24)
  })

  test('at its maximum of 21, success leaves it there; after a drop it comes back to it, and no further', () => {
    const state = adaptive(21)
    for (const atMs of [0, 60_000, 600_000]) expect(sizeOf(state, atMs)).toBe(21)
    run(state, drop(600_000))
    expect(sizeOf(state, 600_000)).toBe(18)
    expect(sizeOf(state, 600_000 + 9 * 60_000)).toBe(20)
    for (const windows of [10, 11, 100]) expect(sizeOf(state, 600_000 + windows * 60_000)).toBe(21)
  })
})

test('vector 14 (anti, partitioned limiters): of 10 slots, batch takes 10 when alone, and then live gets none more', () => {
  const pools = { reserved: 0, dedicated: { live: 7_000 }, lending: { reserved: 0, dedicated: 0 } }
  const plain = limiter(resource('gpt', [slots(10)]))
  const parted = limiter(resource('gpt', [slots(10)], { pools }))
  for (const state of [plain, parted]) {
    const ask = (clientId: string, nth: number) => tryReserve(`${clientId}-${nth}`, nth, 1, { clientId })
    const granted = (clientId: string): number =>
      Array.from({ length: 10 }, (_, nth) => grantedIds(run(state, ask(clientId, nth))).length).filter(
        Boolean,
      ).length
    const batch = granted('batch')
    expect(batch).toBe(state === plain ? 10 : 3)
    expect(batch + granted('live')).toBe(10)
  }
})

test('vector 19 (Doorman store): leases of 10, 10 and 15 are 35, after ten seconds 15, after the release none', () => {
  const state = limiter(resource('gpt', [slots(100, 'unit')]))
  const inUse = (atMs: number): number | undefined => availability(state, T0 + atMs)[0]?.limits[0]?.used
  const lease = (id: string, units: number, leaseMs: number) =>
    reserve(id, 0, units, { clientId: id, leaseMs })
  run(state, lease('a', 10, 10_000), lease('b', 10, 10_000), lease('c', 15, 20_000))
  expect(inUse(0)).toBe(35)
  expect(told(run(state, tick(10_000)))).toEqual(['lease-expired a', 'lease-expired b'])
  expect(inUse(10_000)).toBe(15)
  run(state, settle('c', 11_000))
  expect(inUse(11_000)).toBe(0)
})

test('vector 35 (Kueue admission fair sharing): the later request of the less active client wins, whoever else leaves', () => {
  for (const third of [true, false]) {
    const state = limiter(resource('gpt', [slots(1)], { guaranteedShare: 0 }))
    const used = (clientId: string, times: number): void => {
      for (let nth = 0; nth < times; nth += 1) {
        run(state, reserve(`${clientId}-${nth}`, 0, 1, { clientId }), settle(`${clientId}-${nth}`, 0))
      }
    }
    used('busy', 2)
    if (third) used('gone', 1)
    run(state, reserve('running', 1, 1, { clientId: 'other' }))
    run(state, reserve('first', 2, 1, { clientId: 'busy' }), reserve('later', 3, 1, { clientId: 'calm' }))
    expect(grantedIds(run(state, settle('running', 4)))).toEqual(['later'])
  }
})
