import { readFileSync } from 'node:fs'
import { describe as suite, expect, test } from 'vitest'
import type { Execution } from '../../examples/replay/answers.ts'
import { castClients, CLIENTS } from '../../examples/replay/casting.ts'
import {
  addUp,
  arrivalCharges,
  backlogOf,
  countStates,
  grantCharges,
  quantile,
  useOfLimit,
  waitOf,
  waitsByTier,
} from '../../examples/replay/figures.ts'
import { JITTER_MS, planReplay, RESOURCE } from '../../examples/replay/plan.ts'
import { parseTrace } from '../../examples/replay/trace.ts'
import { describe, losses, type Outcome } from '../../examples/replay/verdict.ts'
import { formatUsd, parseUsd, ZERO_USD } from '../../domain/money.ts'
import type { Arrival } from '../../simulator/log.ts'

const excerpt = readFileSync(new URL('../../examples/data/azure-llm-conv-1000.csv', import.meta.url), 'utf8')
const HEADER = 'TIMESTAMP,ContextTokens,GeneratedTokens'

suite('trace', () => {
  test('the excerpt has 1,000 rows in order, from 0 ms', () => {
    const rows = parseTrace(excerpt)
    expect(rows).toHaveLength(1_000)
    expect(rows[0]).toEqual({ atMs: 0, contextTokens: 374, generatedTokens: 44 })
    expect(rows[1]?.atMs).toBeCloseTo(4_314.579, 2)
    expect(rows.every((row, n) => n === 0 || row.atMs >= (rows[n - 1]?.atMs ?? 0))).toBe(true)
  })
  test('a limit takes the first rows', () => {
    expect(parseTrace(excerpt, 3)).toEqual(parseTrace(excerpt).slice(0, 3))
  })
  test('rows that are out of order are sorted', () => {
    const text = `${HEADER}\n2023-11-16 18:00:01.5000000,1,2\n2023-11-16 18:00:01.0000000,3,4\n`
    expect(parseTrace(text).map(({ atMs, contextTokens }) => [atMs, contextTokens])).toEqual([
      [0, 3],
      [500, 1],
    ])
  })
  test.each<[string, string, string]>([
    ['another header', 'time,in,out\n', 'line 1 is "time,in,out"'],
    ['a row with too little', `${HEADER}\r\n2023-11-16 18:00:01,5\r\n`, 'line 2 is "2023-11-16 18:00:01,5"'],
    ['a request without input', `${HEADER}\n2023-11-16 18:00:01,0,5\n`, 'line 2'],
    ['no time at all', `${HEADER}\n2023-13-16 18:00:01,1,5\n`, 'line 2'],
  ])('%s is told with its line', (_name, text, want) => {
    expect(() => parseTrace(text)).toThrow(want)
  })
})

suite('clients', () => {
  test('the same seed casts the same clients, another one others', () => {
    expect(castClients(50, 7)).toEqual(castClients(50, 7))
    expect(castClients(50, 7)).not.toEqual(castClients(50, 8))
  })
  test('tiers have their shares and every client has requests', () => {
    const cast = castClients(10_000, 1)
    const shares = ['enterprise', 'premium', 'standard', 'basic'].map(
      (tier) => cast.filter((client) => client.tier === tier).length / 10_000,
    )
    for (const [n, want] of [0.1, 0.2, 0.3, 0.4].entries()) expect(shares[n]).toBeCloseTo(want, 1)
    expect(new Set(cast.map(({ id }) => id)).size).toBe(CLIENTS.length)
  })
})

suite('plan', () => {
  const rows = parseTrace(excerpt)
  const plan = planReplay({ rows, clients: castClients(rows.length, 1), speed: 10, runId: 'x' })
  const [first] = plan.requests

  test('P1: what is asked for holds what will be generated, in a round number', () => {
    expect(first).toMatchObject({
      requestId: 'replay-x-1',
      resources: { [RESOURCE.tokens]: 438, [RESOURCE.input]: 374, [RESOURCE.output]: 64 },
      input: { promptTokens: 374, completionTokens: 44 },
    })
    const short = plan.requests.filter(
      ({ resources, input }) => (resources[RESOURCE.output] ?? 0) < input.completionTokens,
    )
    expect(short).toEqual([])
  })
  test('rows are sent as many times faster as asked', () => {
    expect(plan.requests.at(-1)?.sendAtMs).toBe(Math.round((rows.at(-1)?.atMs ?? 0) / 10))
  })
  test('P2: the trace passes the limit, the limit holds the largest request, and this machine is not the limit', () => {
    const { capacity, refillUnits, refillMs } = plan.bucket
    const sentSeconds = (plan.requests.at(-1)?.sendAtMs ?? 0) / 1_000
    const mirrored = capacity - (refillUnits * JITTER_MS) / refillMs
    const largest = Math.max(...plan.requests.map(({ resources }) => resources[RESOURCE.tokens] ?? 0))
    expect(plan.demandTokens).toBeGreaterThan(1.4 * refillUnits * sentSeconds)
    expect(mirrored).toBeGreaterThanOrEqual(largest)
    expect(refillUnits).toBeLessThanOrEqual((12 * plan.demandTokens) / rows.length)
  })
  test('one row alone can be replayed', () => {
    const one = planReplay({ rows: rows.slice(0, 1), clients: castClients(1, 1), speed: 1, runId: 'y' })
    expect(one.bucket.capacity).toBeGreaterThanOrEqual(438)
  })
})

const START = Date.UTC(2026, 0, 1)

function execution(requestId: string, waitMs: number | null, clientId = 'replay-basic-1'): Execution {
  const at = (ms: number): string => new Date(START + ms).toISOString()
  return {
    requestId,
    clientId,
    state: waitMs === null ? 'expired' : 'completed',
    resources: { reserved: {}, actual: null },
    cost: { estimatedUsd: null, actualUsd: null },
    timeline: [
      { state: 'admitted', at: at(0) },
      ...(waitMs === null ? [] : [{ state: 'granted', at: at(waitMs) }]),
    ],
  }
}

suite('figures', () => {
  test('a wait is from admission to the grant, and there is none without one', () => {
    expect(waitOf(execution('a', 250))).toEqual({ requestId: 'a', beganMs: START, endedMs: START + 250 })
    expect(waitOf(execution('b', null))).toBeUndefined()
  })
  test.each<[readonly number[], number, number | null]>([
    [[], 0.5, null],
    [[7], 0.95, 7],
    [[1, 2, 3, 4], 0.5, 2],
    [[1, 2, 3, 4], 0.95, 4],
  ])('quantile of %j at %d is %s', (sorted, q, want) => expect(quantile(sorted, q)).toBe(want))
  test('waits are told by tier', () => {
    const executions = [execution('a', 10), execution('b', 30), execution('c', 5, 'replay-premium-1')]
    expect(waitsByTier(executions, { clients: CLIENTS, tiers: ['premium', 'basic'] })).toEqual([
      { tier: 'premium', requests: 1, p50Ms: 5, p95Ms: 5 },
      { tier: 'basic', requests: 2, p50Ms: 10, p95Ms: 30 },
    ])
  })
  test('states are counted', () => {
    const executions = [execution('a', 1), execution('b', 1), execution('c', null)]
    expect(countStates(executions)).toEqual({ completed: 2, expired: 1 })
  })
  test('F1: amounts are added without a float', () => {
    expect(formatUsd(addUp(['0.1', '0.2', '0.000000001']))).toBe('0.300000001')
    expect(() => addUp(['many'])).toThrow('"many"')
  })
  test('a backlog is where requests waited for the limit', () => {
    expect(backlogOf([])).toBeNull()
    const waits = [100, 900, 2_000]
      .map((ms) => waitOf(execution('a', ms)))
      .filter((wait) => wait !== undefined)
    expect(backlogOf(waits)).toEqual({ beganMs: START, endedMs: START + 2_000 })
    expect(backlogOf(waits.slice(0, 1))).toBeNull()
  })
  test('F2: use is what was charged over what could be, the part that jitter keeps back apart', () => {
    // 1,000 in the bucket above what is kept back; 10,000 refilled in ten seconds.
    const bucket = { capacity: 1_000 + JITTER_MS, refillUnits: 1_000, refillMs: 1_000 }
    const backlog = { beganMs: START, endedMs: START + 10_000 }
    const use = (charges: readonly (readonly [seconds: number, tokens: number])[]) =>
      useOfLimit(
        charges.map(([seconds, tokens]) => ({ atMs: START + seconds * 1_000, tokens })),
        { bucket, backlog },
      )
    expect(use(Array.from({ length: 11 }, (_, n) => [n, 1_000]))).toBe(1)
    expect(
      use([
        [0, 1_000],
        [10, 4_500],
      ]),
    ).toBe(0.5)
    expect(use([])).toBe(0)
    expect(
      use([
        [-0.5, 1_000],
        [-0.25, 1_000],
        [5, 9_500],
        [11, 9_000],
      ]),
    ).toBe(1) // 500 of debt at the beginning
  })
  test('grants are charged what they reserve, arrivals what the provider took', () => {
    const reserved = { ...execution('a', 70), resources: { reserved: { t: 5 }, actual: null } }
    expect(grantCharges([reserved, execution('b', null)], 't')).toEqual([{ atMs: START + 70, tokens: 5 }])
    const arrival: Arrival = {
      kind: 'arrival',
      seq: 1,
      atMs: START,
      key: 'k',
      endpoint: '/',
      cost: { tokens: 5 },
      decision: 'admitted',
      limit: null,
      retryAfterMs: null,
      remaining: [],
    }
    expect(arrivalCharges([arrival, { ...arrival, decision: 'rejected' }])).toEqual([
      { atMs: START, tokens: 5 },
    ])
  })
})

suite('verdict', () => {
  const usd = (text: string) => parseUsd(text) ?? ZERO_USD
  const good: Outcome = {
    rows: 10,
    accepted: 10,
    states: { completed: 10 },
    unfinished: 0,
    provider: { calls: 10, rejected: 0, violations: 0 },
    use: { granted: 0.999, arrived: 0.5 },
    backlogMs: 4_000,
    waits: [{ tier: 'basic', requests: 10, p50Ms: 1_500, p95Ms: null }],
    estimated: usd('2'),
    costs: { total: usd('1.5'), assumed: usd('0.25') },
    budgets: { used: usd('1.5'), held: ZERO_USD },
    tokens: { reserved: 100, settled: 80 },
    seconds: 5,
  }
  test.each<[string, Partial<Outcome>, string | null]>([
    ['all is well', {}, null],
    ['a request was not accepted', { accepted: 9 }, '1 of 10 requests were not accepted'],
    ['a request has no end', { unfinished: 2 }, '2 requests did not come to an end'],
    [
      'the provider refused',
      { provider: { calls: 10, rejected: 3, violations: 0 } },
      'answered 429 to 3 calls',
    ],
    ['a limit was broken', { provider: { calls: 10, rejected: 0, violations: 1 } }, '1 violations'],
    [
      'costs and budgets differ',
      { costs: { total: usd('1.500000001'), assumed: ZERO_USD } },
      '1.500000001 USD and the budgets say 1.5 USD',
    ],
    [
      'something is still held',
      { budgets: { used: usd('1.5'), held: usd('0.1') } },
      '0.1 USD are still held',
    ],
  ])('%s', (_name, change, want) => {
    const lost = losses({ ...good, ...change })
    expect(lost.join('; ')).toContain(want ?? '')
    expect(lost).toHaveLength(want === null ? 0 : 1)
  })
  test('the table tells every figure', () => {
    const table = describe(good)
    for (const figure of [
      '10 completed',
      '99.90 % / 50.00 %',
      '1.50 s / -',
      '2 / 1.5 USD',
      '0.25 USD',
      '100 / 80',
    ]) {
      expect(table).toContain(figure)
    }
  })
})
