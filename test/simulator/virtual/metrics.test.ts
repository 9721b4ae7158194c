import { describe, expect, test } from 'vitest'
import { RESOURCE_DEFAULTS, type Resource } from '../../../domain/resource.ts'
import type { Limit } from '../../../domain/limit.ts'
import type { Asked, Fact } from '../../../simulator/virtual/facts.ts'
import { jain, openFairness } from '../../../simulator/virtual/metrics/fairness.ts'
import { openMix } from '../../../simulator/virtual/metrics/mix.ts'
import { openStarvation } from '../../../simulator/virtual/metrics/starvation.ts'
import { openUse } from '../../../simulator/virtual/metrics/use.ts'
import { openWaits } from '../../../simulator/virtual/metrics/waits.ts'

const MINUTE = 60_000

/** 1 unit a millisecond, whatever else is said. */
const BUCKET: Limit = { type: 'token-bucket', capacity: 1_000, refillUnits: 1, refillMs: 1 }

function configured(limits: readonly Limit[], more: Partial<Resource> = {}): Fact {
  const resource = { ...RESOURCE_DEFAULTS, id: 'gpt', unit: 'tokens', limits, ...more }
  return { kind: 'configured', atMs: 0, resources: [resource] }
}

function request(id: string, askedAtMs: number, units: number, more: Partial<Asked> = {}): Asked {
  const demand = [['gpt', units]] as const
  const who = { population: 'test', clientId: 'acme', tier: 'basic', urgency: 'normal' } as const
  return { id, ...who, demand, askedAtMs, ...more }
}

const waits = (request: Asked): Fact => ({ kind: 'queued', atMs: request.askedAtMs, request, etaMs: null })
const asked = (request: Asked): Fact => ({ kind: 'asked', atMs: request.askedAtMs, request })
const granted = (request: Asked, atMs: number): Fact => ({ kind: 'granted', atMs, request, waited: true })
const over = (atMs: number, ...waiting: readonly Asked[]): Fact => ({ kind: 'over', atMs, waiting })
const told = <M extends { note(fact: Fact): void }>(meter: M, facts: readonly Fact[]): M => {
  for (const fact of facts) meter.note(fact)
  return meter
}

describe('use of a limit', () => {
  /** Waits from 0 on; the others are granted at the times told. */
  function useOf(limit: Limit, grants: readonly (readonly [atMs: number, units: number])[], untilMs: number) {
    const waiting = request('waits', 0, 1)
    const facts = grants.map(([atMs, units], nth): [Fact, Fact] => {
      const one = request(`r${nth}`, 0, units)
      return [waits(one), granted(one, atMs)]
    })
    const meter = told(openUse(), [
      configured([limit]),
      waits(waiting),
      ...facts.map(([first]) => first),
      ...facts.map(([, second]) => second),
      over(untilMs, waiting),
    ])
    return meter.figures().use
  }
  const window: Limit = { type: 'sliding-window', units: 100, windowMs: MINUTE }

  test.each<[string, Limit, readonly (readonly [number, number])[], number, number | null]>([
    [
      'M1: a bucket that gave what it held and all of its refill',
      BUCKET,
      [
        [0, 1_000],
        [60_000, 60_000],
      ],
      60_000,
      1,
    ],
    ['M1: a bucket of which half was taken', BUCKET, [[60_000, 30_500]], 60_000, 0.5],
    ['M1: a backlog of less than a minute is not told of a bucket', BUCKET, [[0, 1_000]], 59_000, null],
    [
      'M1: a window by whole spans, what comes after the last is left out',
      window,
      [
        [0, 100],
        [60_000, 80],
        [120_000, 100],
      ],
      130_000,
      0.9,
    ],
    [
      'M1: a calendar minute by whole minutes',
      { type: 'fixed-window', units: 100, period: 'minute', timezone: 'UTC' },
      [
        [0, 100],
        [61_000, 50],
      ],
      125_000,
      0.75,
    ],
  ])('%s', (_name, limit, grants, untilMs, want) => {
    const use = useOf(limit, grants, untilMs)
    if (want === null) expect(use).toBeNull()
    else expect(use).toBeCloseTo(want, 9)
  })

  test('M2: slots by the time they are held', () => {
    const [one, two] = [request('one', 0, 1), request('two', 0, 1)]
    const meter = told(openUse(), [
      configured([{ type: 'concurrency', slots: 2, per: 'reservation' }]),
      ...[waits(one), waits(two), granted(one, 0)],
      { kind: 'ended', atMs: MINUTE, request: one, grantedAtMs: 0, refunded: [] },
      over(2 * MINUTE, two),
    ])
    expect(meter.figures().use).toBeCloseTo(0.25, 9)
  })

  test('M1: what is granted while nobody waits does not count', () => {
    const [one, later] = [request('one', 0, 60_000), request('later', 90_000, 30_000)]
    const meter = told(openUse(), [
      configured([BUCKET]),
      ...[waits(one), granted(one, 60_000)],
      { kind: 'granted', atMs: 90_000, request: later, waited: false },
      waits(request('last', 200_000, 1)),
    ])
    expect(meter.figures().use).toBeCloseTo(60_000 / 61_000, 9)
  })

  test('M3: the limit that binds is told, and nothing where nobody waited', () => {
    const waiting = request('waits', 0, 1)
    const first = request('first', 0, 61_000)
    const wide: Limit = { type: 'sliding-window', units: 1_000_000, windowMs: MINUTE }
    const facts = [configured([wide, BUCKET]), waits(first), waits(waiting), granted(first, 0)]
    expect(told(openUse(), [...facts, over(MINUTE, waiting)]).figures().use).toBeCloseTo(1, 9)
    expect(told(openUse(), facts.slice(0, 1)).figures().use).toBeNull()
  })
})

describe('fairness', () => {
  test.each<[string, readonly number[], number | null]>([
    ['equal shares', [3, 3, 3], 1],
    ['one has all', [9, 0, 0], 1 / 3],
    ['one of two has twice as much', [2, 1], 0.9],
    ['a single client is not compared', [5], null],
    ['nobody was served', [0, 0], null],
  ])("Jain's index: %s", (_name, values, want) => {
    if (want === null) expect(jain(values)).toBeNull()
    else expect(jain(values)).toBeCloseTo(want, 9)
  })

  const TIERS = { basic: { weight: 1 }, premium: { weight: 3 } }
  const from = (clientId: string, tier: string, units: number, id: string) =>
    request(id, 0, units, { clientId, tier })
  /** Two clients that wait all the time, of which the one was served `a` and the other `b` units. */
  function served(a: readonly [tier: string, units: number], b: readonly [tier: string, units: number]) {
    const waiting = [from('a', a[0], 1, 'a1'), from('b', b[0], 1, 'b1')]
    const requests = [from('a', ...a, 'a2'), from('b', ...b, 'b2')]
    return told(openFairness(TIERS, 0), [
      configured([BUCKET]),
      ...[...waiting, ...requests].map(waits),
      // The first window is not whole: they began to wait in it.
      ...requests.map((one) => granted(one, 15 * MINUTE)),
      over(21 * MINUTE, ...waiting),
    ]).figures()
  }

  test('J1 J2: shares as the weights say are wholly fair, equal ones are not', () => {
    expect(served(['premium', 300], ['basic', 100]).jain).toBeCloseTo(1, 9)
    expect(served(['premium', 100], ['basic', 100]).jain).toBeCloseTo(0.8, 9)
    expect(served(['premium', 100], ['basic', 100])['jain-in-tier']).toBeNull()
  })

  test('J1: who did not wait all the time does not count', () => {
    const one = from('a', 'basic', 100, 'a1')
    const waiting = from('b', 'basic', 1, 'b1')
    const facts = [configured([BUCKET]), waits(one), waits(waiting), granted(one, 15 * MINUTE)]
    expect(told(openFairness(TIERS, 0), [...facts, over(21 * MINUTE, waiting)]).figures().jain).toBeNull()
  })

  test('J4: who asks again in the moment of its grant has waited all the time', () => {
    const [a, again, b] = ['a1', 'a2', 'b1'].map((id) => from(id.slice(0, 1), 'basic', 100, id))
    if (a === undefined || again === undefined || b === undefined) throw new Error('no request')
    const askedAgain = (atMs: number): Fact => ({ kind: 'queued', atMs, request: again, etaMs: null })
    const jainOf = (askedAtMs: number) =>
      told(openFairness(TIERS, 0), [
        ...[configured([BUCKET]), waits(a), waits(b), granted(a, 15 * MINUTE)],
        ...[askedAgain(askedAtMs), over(21 * MINUTE, again, b)],
      ]).figures().jain
    expect(jainOf(15 * MINUTE)).toBeCloseTo(0.5, 9)
    expect(jainOf(15 * MINUTE + 1)).toBeNull()
  })

  test('J3: who waits while the other is served three times lags by one and a half of its requests', () => {
    const requests = [1, 2, 3].map((nth) => from('a', 'basic', 100, `a${nth}`))
    const waiting = from('b', 'basic', 100, 'b1')
    const more = from('a', 'basic', 100, 'a4')
    const meter = told(openFairness(TIERS, 0), [
      configured([BUCKET]),
      ...[...requests, more, waiting].map(waits),
      ...requests.map((one, nth) => granted(one, nth)),
      over(MINUTE, waiting, more),
    ])
    expect(meter.figures().lag).toBeCloseTo(1.5, 9)
  })
})

describe('starvation', () => {
  const RATE = configured([BUCKET], { guaranteedShare: 2_500 })

  test('N1: the bound is 10 minutes, and at a quarter of the rate itself, the largest, and what starved before it', () => {
    const [ahead, one] = [request('ahead', 0, 3_000), request('one', 0, 1_000)]
    const facts = [RATE, asked(ahead), asked(one), granted(ahead, 10 * MINUTE + 1)]
    const boundMs = 10 * MINUTE + 4 * (3_000 + 1_000 + 3_000)
    const meter = told(openStarvation(), [...facts, granted(one, boundMs)])
    expect(meter.figures()).toMatchObject({ starvation: 1, 'longest-wait': boundMs / 1_000 })
  })

  test('N2: who is never granted has waited until the end', () => {
    const one = request('one', 0, 1_000)
    const meter = told(openStarvation(), [RATE, asked(one), over(20 * MINUTE, one)])
    expect(meter.figures().starvation).toBeCloseTo((20 * MINUTE) / (10 * MINUTE + 8_000), 9)
  })
})

test('N3: a resource that only holders free has no rate to be bound by', () => {
  const one = request('one', 0, 1)
  const slots: Limit = { type: 'concurrency', slots: 1, per: 'reservation' }
  const meter = told(openStarvation(), [configured([slots]), asked(one), granted(one, 20 * MINUTE)])
  expect(meter.figures().starvation).toBeCloseTo(2, 9)
})

describe('waits', () => {
  const figuresOf = (facts: readonly Fact[]) =>
    told(openWaits({ basic: { points: 10 } }), [configured([BUCKET]), ...facts])

  test('Q1: the largest 1 % are compared with all of their tier', () => {
    const small = Array.from({ length: 99 }, (_, nth) => request(`s${nth}`, 0, 10))
    const large = request('large', 0, 500)
    const facts = [...small.map((one) => granted(one, 2_000)), granted(large, 9_000)]
    expect(figuresOf(facts).figures()['big-penalty']).toBeCloseTo(4.5, 9)
    expect(figuresOf(facts).tiers()).toMatchObject([
      { granted: 100, p50Ms: 2_000, p95Ms: 2_000, p99Ms: 2_000 },
    ])
    expect(figuresOf(facts.slice(0, 99)).figures()['big-penalty']).toBeNull()
  })

  test('Q3: the p95 of a tier is compared with that of the next lower one', () => {
    const of = (tier: string, atMs: number): Fact => granted(request(tier, 0, 1, { tier }), atMs)
    const tiers = { basic: { points: 10 }, premium: { points: 30 }, standard: { points: 20 } }
    const facts = [of('premium', 2_000), of('standard', 8_000), of('basic', 4_000)]
    const meter = told(openWaits(tiers), [configured([BUCKET]), ...facts])
    expect(meter.figures()['tier-order']).toBe(2)
  })

  test('Q2: predictions are judged by the real wait, from a second on; none is wrong by the whole', () => {
    const one = (id: string, etaMs: number | null, atMs: number): readonly Fact[] => [
      { kind: 'queued', atMs: 0, request: request(id, 0, 1), etaMs },
      granted(request(id, 0, 1), atMs),
    ]
    const facts = [...one('early', 8_000, 10_000), ...one('none', null, 4_000), ...one('short', 0, 900)]
    const { 'eta-p50': median, 'eta-p90': p90 } = figuresOf(facts).figures()
    expect([median, p90]).toEqual([0.2, 1])
  })
})

describe('several resources together', () => {
  /** One population needs both, the others one each; all wait for twenty minutes, and so many are granted in the last ten. */
  function useOf(counts: Readonly<Record<'both' | 'left' | 'right', number>>) {
    const resource = (id: string): Resource => ({
      ...{ ...RESOURCE_DEFAULTS, id, unit: 'tokens', limits: [BUCKET] },
    })
    const demands = {
      both: [
        ['a', 10_000],
        ['b', 10_000],
      ],
      left: [['a', 10_000]],
      right: [['b', 10_000]],
    } as const
    const asked = Object.entries(counts).flatMap(([population, count]) => {
      const demand = demands[population as keyof typeof demands]
      const one = (nth: number): Asked => request(`${population}-${nth}`, 0, 0, { population, demand })
      return Array.from({ length: count + 1 }, (_, nth) => one(nth))
    })
    // The first of each is never granted.
    const served = asked.filter(({ id }) => !id.endsWith('-0'))
    const meter = told(openMix(['both', 'left', 'right'], 0), [
      { kind: 'configured', atMs: 0, resources: [resource('a'), resource('b')] },
      ...asked.map(waits),
      ...served.map((one) => granted(one, 15 * MINUTE)),
      over(20 * MINUTE),
    ])
    return meter.figures()['lp-use']
  }

  test('X1: nothing is told where not everybody waited for ten minutes', () => {
    const meter = told(openMix(['both', 'left'], 0), [configured([BUCKET]), over(20 * MINUTE)])
    expect(meter.figures()).toEqual({})
  })

  test.each<[string, { both: number; left: number; right: number }, number]>([
    ['X2: one that needs both is worth one of each that need one', { both: 30, left: 30, right: 30 }, 1],
    ['X2: what is left of the one resource is lost', { both: 30, left: 30, right: 6 }, 0.8],
  ])('%s', (_name, counts, want) => {
    expect(useOf(counts)).toBeCloseTo(want, 9)
  })
})
