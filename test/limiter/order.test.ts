import { isDeepStrictEqual } from 'node:util'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { URGENCIES, URGENCY_POINTS } from '../../domain/priority.ts'
import { drain } from '../../limiter/drain.ts'
import { Heap, noPlace, type Place } from '../../limiter/order/heap.ts'
import {
  costOf,
  EPOCH_MS,
  epochOf,
  fairnessPoints,
  NOTHING_SERVED,
  serve,
  servedAt,
} from '../../limiter/order/fairness.ts'
import { isAhead, rankAt, rekeyAtMs, scoreOf, type Standing } from '../../limiter/order/score.ts'
import { step } from '../../limiter/step.ts'
import {
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
  TIERS,
  window,
} from './fixture.ts'
import { runs } from '../support/runs.ts'

const MINUTE = 60_000

/** The score by its definition, in units of 1/300,000 point so that it is an integer. */
function scoreByDefinition(points: number, waitedMs: number): number {
  return 300_000 * points + Math.min(20 * 300_000, waitedMs) + (waitedMs >= 10 * MINUTE ? 10 * 300_000 : 0)
}

test('O1 O3 property 5: each pass grants the brute-force argmax of the score, whatever the ages and however time goes', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          tier: fc.constantFrom('enterprise', 'premium', 'standard', 'basic'),
          urgency: fc.constantFrom(...URGENCIES),
          client: fc.constantFrom('acme', 'bolt', 'cord'),
          ageMinutes: fc.oneof(fc.integer({ min: 0, max: 14 }), fc.integer({ min: 85, max: 115 })),
          boost: fc.constantFrom(0, 0, 0, 7, -7),
        }),
        { minLength: 2, maxLength: 40 },
      ),
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 7 }),
      (asked, perRound, everyMinutes) => {
        const limits = [
          { type: 'fixed-window', units: perRound * 1_000, period: 'minute', timezone: 'UTC' },
        ] as const
        const state = limiter(resource('gpt', limits, { maxWaitMs: 100_000_000, guaranteedShare: 0 }))
        step(state, { kind: 'pause', atMs: T0, paused: true })
        asked.forEach(({ tier, urgency, client, ageMinutes, boost }, index) => {
          const id = `r${index}`
          const enqueuedAtMs = T0 - ageMinutes * MINUTE
          step(
            state,
            reserve(id, 0, 1_000, {
              tier,
              urgency,
              clientId: client,
              enqueuedAtMs,
              waitUntilMs: T0 + 100_000_000,
            }),
          )
          if (boost !== 0) step(state, { kind: 'boost', atMs: T0, id, points: boost })
        })
        let waiting = asked.map((one, index) => ({ ...one, id: `r${index}`, index }))
        for (let atMs = 0; waiting.length > 0; atMs += everyMinutes * MINUTE) {
          const event = atMs === 0 ? ({ kind: 'pause', atMs: T0, paused: false } as const) : tick(atMs)
          // Fairness as it will be when this minute begins; its own rule is tested below.
          const fairness = new Map(
            [...state.clients.values()].map(({ id, served }) => [
              id,
              fairnessPoints(served, epochOf(T0 + atMs)),
            ]),
          )
          const byScore = waiting
            .map((one) => ({
              ...one,
              score: scoreByDefinition(
                TIERS[one.tier].points +
                  URGENCY_POINTS[one.urgency] +
                  one.boost +
                  (fairness.get(one.client) ?? 10),
                atMs + one.ageMinutes * MINUTE,
              ),
            }))
            .sort((a, b) => b.score - a.score || b.ageMinutes - a.ageMinutes || a.index - b.index)
          const granted = grantedIds(step(state, event))
          expect(granted[0]).toBe(byScore[0]?.id)
          waiting = waiting.filter(({ id }) => !granted.includes(id))
        }
      },
    ),
    runs(200),
  )
})

test('O1 O2 the order by constant keys, re-keyed at its two marks, is the order by the score at any time', () => {
  const standing = fc.record({
    points: fc.integer({ min: 0, max: 110 }),
    enqueuedAtMs: fc.oneof(fc.nat({ max: 7_000_000 }), fc.constantFrom(0, 600_000, 6_000_000)),
    sequence: fc.nat({ max: 5 }),
  })
  fc.assert(
    fc.property(standing, standing, fc.integer({ min: 7_000_000, max: 14_000_000 }), (a, b, nowMs) => {
      const [scoreA, scoreB] = [a, b].map(({ points, enqueuedAtMs }) =>
        scoreByDefinition(points, nowMs - enqueuedAtMs),
      )
      const difference = (scoreA ?? 0) - (scoreB ?? 0)
      expect(difference === 0 || isAhead(a, b, nowMs) === difference > 0).toBe(true)
    }),
  )
  fc.assert(
    fc.property(standing, fc.nat({ max: 14_000_000 }), ({ points, enqueuedAtMs }, afterMs) => {
      const nowMs = enqueuedAtMs + afterMs
      const rank = rankAt(points, enqueuedAtMs, nowMs)
      const until = rekeyAtMs(enqueuedAtMs, nowMs) ?? Number.MAX_SAFE_INTEGER
      expect(rankAt(points, enqueuedAtMs, until - 1)).toEqual(rank)
      expect(isDeepStrictEqual(rankAt(points, enqueuedAtMs, until), rank)).toBe(rank.capped)
    }),
  )
})

test('O3 equal scores go to the earlier time, then to the earlier arrival', () => {
  const older: Standing = { points: 10, enqueuedAtMs: 0, sequence: 2 }
  const younger: Standing = { points: 11, enqueuedAtMs: 300_000, sequence: 1 }
  expect(scoreOf(rankAt(10, 0, 400_000), 400_000)).toBe(scoreOf(rankAt(11, 300_000, 400_000), 400_000))
  expect(isAhead(older, younger, 400_000)).toBe(true)
  expect(isAhead({ ...older, sequence: 1 }, older, 400_000)).toBe(true)
})

test('H1 H2 a heap gives its items in order, whichever were moved or taken out before', () => {
  type Item = { value: number; readonly place: Place }
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat({ max: 2 }), fc.nat({ max: 9 }), fc.nat({ max: 50 }))),
      (operations) => {
        const items: Item[] = Array.from({ length: 10 }, () => ({ value: 0, place: noPlace() }))
        const heap = new Heap<Item>({
          keyOf: ({ value }) => value >> 2,
          isBefore: (a, b) => a.value < b.value,
          placeOf: ({ place }) => place,
        })
        const inside = new Set<Item>()
        for (const [operation, at, value] of operations) {
          const item = items[at]
          if (item === undefined) continue
          if (operation === 0) {
            heap.remove(item)
            inside.delete(item)
          } else {
            item.value = value
            heap.put(item)
            inside.add(item)
          }
          expect(heap.size).toBe(inside.size)
          const least = [...inside].reduce(
            (low, { value: next }) => Math.min(low, next),
            Number.POSITIVE_INFINITY,
          )
          expect(heap.top()?.value ?? Number.POSITIVE_INFINITY).toBe(least)
        }
      },
    ),
  )
})

describe('fairness', () => {
  const gpt = resource('gpt', [bucket(10_000, 10_000, 60_000), slots(10)])
  const mail = resource('mail', [window(100, 3_600_000)])
  const { accounts } = limiter(gpt, mail)

  test('Y1 the cost is the time that the scarcest resource takes to give as much', () => {
    expect(costOf([['gpt', 10_000]], accounts)).toBe(60_000_000)
    expect(costOf([['mail', 1]], accounts)).toBe(36_000_000)
    expect(
      costOf(
        [
          ['gpt', 10_000],
          ['mail', 1],
        ],
        accounts,
      ),
    ).toBe(60_000_000)
    expect(costOf([['gpt', 1]], accounts)).toBe(6_000_000)
    expect(costOf([['gone', 9]], accounts)).toBe(0)
  })

  test('Y2 use halves every ten minutes, and after 5 minutes 1 - 2^(-1/2) of it is gone (vector 36, Kueue A)', () => {
    const served = serve(NOTHING_SERVED, 100_000_000, 0)
    expect(servedAt(served, 10)).toBe(50_000_000)
    expect(servedAt(served, 20)).toBe(25_000_000)
    expect(1 - servedAt(served, 5) / 100_000_000).toBeCloseTo(0.29289, 4)
    expect(servedAt(served, 100_000)).toBe(0)
  })

  test('Y3 a steady tenth of a resource leaves no points, nothing at all leaves ten', () => {
    let served = NOTHING_SERVED
    for (let epoch = 0; epoch < 200; epoch += 1) served = serve(served, (EPOCH_MS * 1_000) / 10, epoch)
    expect(fairnessPoints(served, 199)).toBe(0)
    expect(fairnessPoints(NOTHING_SERVED, 200)).toBe(10)
    expect(fairnessPoints(served, 229)).toBe(9)
  })

  test('Y2 Y3 of two clients with the same claim, the one that was served less goes first', () => {
    const state = limiter(resource('gpt', [slots(1)]))
    run(state, reserve('busy-1', 0, 1, { clientId: 'busy' }))
    run(state, settle('busy-1', 1_000), reserve('busy-2', 1_001, 1, { clientId: 'busy' }))
    run(
      state,
      reserve('busy-3', 2_000, 1, { clientId: 'busy' }),
      reserve('calm-1', 2_001, 1, { clientId: 'calm' }),
    )
    expect(grantedIds(run(state, settle('busy-2', 3_000)))).toEqual(['calm-1'])
  })
})

test('D1 a drain without anything that waits grants nothing', () => {
  expect(drain(limiter(resource('gpt', [slots(1)])))).toEqual([])
})
