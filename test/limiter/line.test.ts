import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { Line, WIDTH_MAX, type Spot, type Total } from '../../limiter/order/line.ts'
import { isEarlier, scoreAt } from '../../limiter/order/score.ts'
import { pack, unpack } from '../../limiter/packed-id.ts'
import type { Waiting } from '../../limiter/reservation.ts'
import { limiter, reserve, resource, run, slots, T0 } from './fixture.ts'
import { runs } from '../support/runs.ts'

/** Reservations that wait for a slot, of different ages and amounts. */
function waitingOf(ages: readonly number[]): readonly Waiting[] {
  const state = limiter(resource('gpt', [slots(1)], { maxQueue: 100_000, maxWaitMs: 1e9 }))
  run(state, reserve('running', 0, 1))
  ages.forEach((ageMs, at) =>
    run(state, reserve(`r${at}`, 0, 1 + (at % 7), { enqueuedAtMs: T0 - ageMs, waitUntilMs: T0 + 1e9 })),
  )
  return [...state.reservations.values()].filter((found) => found.kind === 'waiting')
}

test('CR1 a line counts who is ahead of any place as going through all of them does, whoever came and left', () => {
  // Ages around the marks at which the score jumps or stops, and many that are equal.
  const age = fc.oneof(fc.nat({ max: 40 }), fc.constantFrom(599_999, 600_000, 600_001, 6_000_000, 7_000_000))
  fc.assert(
    fc.property(
      fc.array(age, { minLength: 1, maxLength: 6 * WIDTH_MAX }),
      fc.array(fc.nat(), { maxLength: 5 * WIDTH_MAX }),
      fc.integer({ min: 0, max: 700_000 }),
      (ages, leaving, laterMs) => {
        const all = waitingOf(ages)
        const line = new Line()
        for (const one of all) line.add(one)
        const left = new Set(all)
        for (const nth of leaving) {
          const one = all[nth % all.length]
          if (one === undefined) continue
          line.remove(one)
          left.delete(one)
        }
        const ordered = [...left].sort((a, b) => (isEarlier(a, b) ? -1 : 1))
        expect(line.members()).toEqual(ordered)
        expect([line.length, line.first()]).toEqual([ordered.length, ordered[0]])
        const [points, nowMs] = [40, T0 + laterMs]
        for (const one of all.slice(0, 5)) {
          const spot: Spot = { ...one, score: scoreAt(points, one.enqueuedAtMs, nowMs) }
          const ahead = ordered.filter((other) => isEarlier(other, one))
          const sum: Total = { count: 0, units: [] }
          line.countAhead(spot, { points, nowMs }, sum, 1)
          const units = ahead.reduce((total, { demand }) => total + (demand[0]?.[1] ?? 0), 0)
          expect([sum.count, sum.units[0] ?? 0]).toEqual([ahead.length, units])
        }
      },
    ),
    runs(40),
  )
})

test('CR1 a line of 5,000 is as long as what was put in and not taken out, and empty in the end', () => {
  const all = waitingOf(Array.from({ length: 5_000 }, (_, at) => 5_000 - at))
  const line = new Line()
  for (const one of all) line.add(one)
  for (const one of all) {
    expect(line.first()).toBe(one)
    line.remove(one)
    line.remove(one)
  }
  expect([line.length, line.members()]).toEqual([0, []])
})

test('ID1 every id comes back as it was, and a UUID takes 22 characters and a mark', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.uuid(),
        fc.string().map((text) => `!${text}`),
      ),
      fc.string(),
      (id, more) => {
        expect(unpack(pack(id + more))).toBe(id + more)
      },
    ),
  )
  expect(pack('0198c0de-ffff-7000-8000-0123456789ab#1')).toHaveLength(25)
})
