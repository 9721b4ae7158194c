import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  afterDraw,
  burnOrder,
  drawHold,
  drawUse,
  isAlive,
  type Credit,
  type Draw,
  type Source,
} from '../../domain/credit.ts'

const NOON = Date.parse('2026-11-21T12:00:00Z')

const credit = (id: string, given: Partial<Credit> = {}): Credit => ({
  id,
  priority: 0,
  untilMs: null,
  amount: 10,
  ...given,
})
const source = (key: string, given: Partial<Source> = {}): Source => ({
  key,
  held: 0,
  drawn: 0,
  free: 0,
  ...given,
})
const own = (given: Partial<Source> = {}) => source('own', given)

describe('D1: the order in which credits are burnt', () => {
  const table: Record<string, { credits: readonly Credit[]; want: readonly string[] }> = {
    'the lowest priority number goes first, whatever expires earlier': {
      credits: [credit('a', { priority: 2, untilMs: NOON }), credit('b', { priority: 1 })],
      want: ['b', 'a'],
    },
    'of equal priority, the earliest expiry goes first': {
      credits: [credit('a', { untilMs: NOON + 1 }), credit('b', { untilMs: NOON })],
      want: ['b', 'a'],
    },
    'what never expires goes last': {
      credits: [credit('a'), credit('b', { untilMs: NOON })],
      want: ['b', 'a'],
    },
    'of equal priority and expiry, the lower id goes first': {
      credits: [credit('c'), credit('a'), credit('b')],
      want: ['a', 'b', 'c'],
    },
  }
  test.for(Object.entries(table))('%s', ([, { credits, want }]) => {
    expect(credits.toSorted(burnOrder).map(({ id }) => id)).toEqual(want)
    expect(
      credits
        .toReversed()
        .sort(burnOrder)
        .map(({ id }) => id),
    ).toEqual(want)
  })

  test('a credit lives until the moment of its expiry, and not in it', () => {
    expect([NOON - 1, NOON].map((atMs) => isAlive({ untilMs: NOON }, atMs))).toEqual([true, false])
    expect(isAlive({ untilMs: null }, Number.MAX_SAFE_INTEGER)).toBe(true)
  })
})

describe('a hold', () => {
  const two = [source('a', { free: 4 }), source('b', { free: 6 })]
  const table: Record<string, { free: number; units: number; want: object }> = {
    'D1: fits the own amount and touches no credit': {
      free: 10,
      units: 10,
      want: { own: 10, draws: [0, 0], missing: 0 },
    },
    'D1: takes what the own amount lacks of the first credit': {
      free: 7,
      units: 10,
      want: { own: 7, draws: [3, 0], missing: 0 },
    },
    'D1: and of the second, when the first is empty': {
      free: 7,
      units: 12,
      want: { own: 7, draws: [4, 1], missing: 0 },
    },
    'misses what neither has': { free: 0, units: 11, want: { own: 0, draws: [4, 6], missing: 1 } },
    'pays no debt of the own amount': { free: -5, units: 10, want: { own: 0, draws: [4, 6], missing: 0 } },
    'of nothing takes nothing': { free: -5, units: 0, want: { own: 0, draws: [0, 0], missing: 0 } },
  }
  test.for(Object.entries(table))('%s', ([, { free, units, want }]) => {
    const { draws, ...rest } = drawHold(free, two, units)
    expect({ ...rest, draws: draws.map((draw) => draw.units) }).toEqual(want)
  })
})

describe('use', () => {
  const draws = (all: readonly Draw[]) => Object.fromEntries(all.map(({ key, units }) => [key, units]))
  type Case = {
    readonly own: Partial<Source>
    readonly credits: Readonly<Record<string, Partial<Source>>>
    readonly units: number
    readonly want: Readonly<Record<string, number>>
  }
  const table: Record<string, Case> = {
    'D2: is drawn from what is held, the own amount first': {
      own: { held: 5 },
      credits: { a: { held: 5 } },
      units: 7,
      want: { own: 5, a: 2 },
    },
    'D2: is drawn from a hold on a credit that has expired since': {
      own: {},
      credits: { a: { held: 5, free: 0 } },
      units: 5,
      want: { a: 5 },
    },
    'D3: beyond the hold goes on with the own amount, then with credits': {
      own: { held: 5, free: 2 },
      credits: { a: { held: 3, free: 1 }, b: { free: 9 } },
      units: 14,
      want: { own: 7, a: 4, b: 3 },
    },
    'D3: what nothing covers is the own debt': {
      own: { held: 1, free: -2 },
      credits: { a: { free: 2 } },
      units: 6,
      want: { own: 4, a: 2 },
    },
    'D3: a credit that has expired covers nothing new': {
      own: { held: 1 },
      credits: { a: { held: 1, free: 0 } },
      units: 5,
      want: { own: 4, a: 1 },
    },
    'D4: what is given back returns to the last credit first': {
      own: { drawn: 5 },
      credits: { a: { drawn: 4 }, b: { drawn: 3 } },
      units: -5,
      want: { b: -3, a: -2 },
    },
    'D4: and to the own amount when every credit has its own again': {
      own: { drawn: 5 },
      credits: { a: { drawn: 4 }, b: { drawn: 3 } },
      units: -9,
      want: { b: -3, a: -4, own: -2 },
    },
    'nothing is drawn from nowhere': { own: { held: 5 }, credits: { a: { held: 5 } }, units: 0, want: {} },
  }
  test.for(Object.entries(table))('%s', ([, { own: ofOwn, credits, units, want }]) => {
    const sources = Object.entries(credits).map(([key, given]) => source(key, given))
    expect(draws(drawUse(own(ofOwn), sources, units))).toEqual(want)
  })
})

const amounts = fc.integer({ min: 0, max: 40 })
const credits = fc
  .array(fc.record({ held: amounts, free: amounts, drawn: fc.constant(0) }), { maxLength: 5 })
  .map((list) => list.map((given, nth) => source(`c${nth}`, given)))
const ownSource = fc
  .record({ held: amounts, free: fc.integer({ min: -40, max: 40 }), drawn: fc.constant(0) })
  .map((given) => own(given))

type Sources = readonly [own: Source, credits: readonly Source[]]

function run([first, others]: Sources, units: number): Sources {
  const drawn = new Map(drawUse(first, others, units).map((draw) => [draw.key, draw.units]))
  const after = (one: Source) => afterDraw(one, drawn.get(one.key) ?? 0)
  return [after(first), others.map(after)]
}

test('D5: one run equals two part runs', () => {
  fc.assert(
    fc.property(ownSource, credits, amounts, amounts, (first, others, a, b) => {
      expect(run(run([first, others], a), b)).toEqual(run([first, others], a + b))
    }),
  )
})

test('D5: one run equals any number of part runs', () => {
  fc.assert(
    fc.property(ownSource, credits, fc.array(amounts, { maxLength: 12 }), (first, others, parts) => {
      const sum = parts.reduce((all, part) => all + part, 0)
      expect(parts.reduce(run, [first, others])).toEqual(run([first, others], sum))
    }),
  )
})

test('D4: what is given back in part runs returns as in one, and at the end everybody has drawn nothing', () => {
  fc.assert(
    fc.property(ownSource, credits, amounts, amounts, (first, others, a, b) => {
      const used = run([first, others], a + b)
      const drawnOf = ([one, rest]: Sources) => [one, ...rest].map(({ drawn }) => drawn)
      expect(drawnOf(run(run(used, -a), -b))).toEqual(drawnOf(run(used, -(a + b))))
      expect(drawnOf(run(used, -(a + b))).every((drawn) => drawn === 0)).toBe(true)
    }),
  )
})

test('D2, D3: every unit is drawn once, from no credit more than it has, and debt is the own amount’s alone', () => {
  fc.assert(
    fc.property(ownSource, credits, amounts, (first, others, units) => {
      const drawn = drawUse(first, others, units)
      expect(drawn.reduce((sum, draw) => sum + draw.units, 0)).toBe(units)
      for (const draw of drawn) expect(draw.units).toBeGreaterThan(0)
      for (const one of others) {
        const part = drawn.find(({ key }) => key === one.key)?.units ?? 0
        expect(part).toBeLessThanOrEqual(one.held + one.free)
      }
      const covered = [first, ...others].reduce((sum, one) => sum + one.held + Math.max(0, one.free), 0)
      const debt = Math.max(0, units - covered)
      const ofOwn = drawn.find(({ key }) => key === 'own')?.units ?? 0
      expect(ofOwn).toBeLessThanOrEqual(first.held + Math.max(0, first.free) + debt)
    }),
  )
})

test('D1, D2: a hold whose use is as large is used up to the unit, and nothing else is touched', () => {
  fc.assert(
    fc.property(amounts, credits, amounts, (free, others, units) => {
      const taken = drawHold(free, others, units)
      if (taken.missing > 0) return
      const holders = others.map((one, nth) => {
        const held = taken.draws[nth]?.units ?? 0
        return { ...one, held, free: one.free - held }
      })
      const [first, rest] = run([own({ held: taken.own, free: free - taken.own }), holders], units)
      expect([first, ...rest].map(({ held }) => held)).toEqual([0, ...rest.map(() => 0)])
      expect(rest.map(({ drawn }) => drawn)).toEqual(taken.draws.map((draw) => draw.units))
    }),
  )
})

test('D1: a hold never takes of a later source while an earlier one has some', () => {
  fc.assert(
    fc.property(amounts, credits, fc.integer({ min: 0, max: 300 }), (free, others, units) => {
      const { own: ofOwn, draws, missing } = drawHold(free, others, units)
      const left = [free - ofOwn, ...others.map((one, nth) => one.free - (draws[nth]?.units ?? 0))]
      const taken = [ofOwn, ...draws.map((draw) => draw.units)]
      const last = taken.findLastIndex((part) => part > 0)
      expect(left.slice(0, Math.max(0, last)).every((rest) => rest === 0)).toBe(true)
      if (missing > 0) expect(left.every((rest) => rest === 0)).toBe(true)
    }),
  )
})
