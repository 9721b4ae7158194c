import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ExecutionAsk } from '../../domain/ask.ts'
import { SAMPLES_MIN, boundsOf, estimateOf, type Known, type LearnedUse } from '../../domain/estimate.ts'
import { RESOURCE_DEFAULTS, fromDemand, type Resource } from '../../domain/resource.ts'
import { NO_SCOPE } from '../../domain/scope.ts'

const ASKER = { clientId: 'acme', urgency: 'normal' } as const

function asked(given: Partial<ExecutionAsk> = {}): ExecutionAsk {
  return {
    kind: 'execution',
    id: 'r',
    bodyHash: '',
    clientId: 'acme',
    template: null,
    worker: 'w',
    action: null,
    input: null,
    inputTokens: null,
    urgency: 'normal',
    accuracy: 'standard',
    resources: null,
    scope: NO_SCOPE,
    maxWaitMs: null,
    deadlineMs: null,
    deferUntilMs: null,
    maxCostNanoUsd: null,
    labels: {},
    ...given,
  }
}

function bucket(id: string, capacity: number): Resource {
  const limits = [{ type: 'token-bucket', capacity, refillUnits: capacity, refillMs: 60_000 }] as const
  return { ...RESOURCE_DEFAULTS, id, unit: 'tokens', limits }
}

const TYPICAL = { 'm/tokens': 1_200, 'm/input-tokens': 800, 'm/output-tokens': 400, 'm/requests': 1 }
const MAXIMUM = { 'm/tokens': 8_000, 'm/input-tokens': 6_000, 'm/output-tokens': 4_000, 'm/requests': 1 }

type Given = {
  readonly typical?: Readonly<Record<string, number>>
  readonly learned?: Readonly<Record<string, LearnedUse>>
  readonly capacity?: number
}

function known({ typical = TYPICAL, learned = {}, capacity = 10_000 }: Given = {}): Known {
  const worker = {
    name: 'w',
    version: '1',
    capabilities: [],
    typical,
    maximum: MAXIMUM,
    target: { kind: 'nowhere' },
    timeoutMs: 1,
    expectedMs: null,
    retryPolicy: { maxAttempts: 1, backoffMs: [] },
    planned: false,
  } as const
  return { template: null, worker, resources: { 'm/tokens': bucket('m/tokens', capacity) }, learned }
}

const learnt = (p90: number, given: Partial<LearnedUse> = {}): LearnedUse => ({
  samples: SAMPLES_MIN,
  p50: Math.ceil(p90 / 2),
  p90,
  overheadP90: null,
  errorPercentP50: null,
  errorPercentP90: null,
  ...given,
})

describe('what a request is expected to need', () => {
  const tokens = (input: number, output: number) => ({
    'm/tokens': input + output,
    'm/input-tokens': input,
    'm/output-tokens': output,
    'm/requests': 1,
  })
  const table: Record<string, { ask?: Partial<ExecutionAsk>; known?: Given; want: Record<string, number> }> =
    {
      'E1: what is asked is what is needed, whatever the input says': {
        ask: { resources: { 'm/tokens': 7 }, inputTokens: 9_999, input: { max_tokens: 5 } },
        want: { 'm/tokens': 7 },
      },
      'E1: nothing asked, nothing counted: what is stated': { want: tokens(800, 400) },
      'E4: a longer input than is usual': { ask: { inputTokens: 3_000 }, want: tokens(3_000, 400) },
      'E4: a short input keeps what is stated: its worker adds what nobody sees here': {
        ask: { inputTokens: 5 },
        want: tokens(800, 400),
      },
      'E4: once it is known what the worker adds, it is added': {
        ask: { inputTokens: 5 },
        known: { learned: { 'm/input-tokens': learnt(900, { overheadP90: 60 }) } },
        want: tokens(65, 400),
      },
      'E4: too few calls teach nothing': {
        ask: { inputTokens: 5 },
        known: { learned: { 'm/input-tokens': learnt(900, { overheadP90: 60, samples: SAMPLES_MIN - 1 }) } },
        want: tokens(800, 400),
      },
      'E3: declared output goes before what was learned': {
        ask: { input: { max_tokens: 1, max_completion_tokens: 50 } },
        known: { learned: { 'm/output-tokens': learnt(300) } },
        want: tokens(800, 50),
      },
      'E3: learned output goes before what is stated': {
        known: { learned: { 'm/output-tokens': learnt(300) } },
        want: tokens(800, 300),
      },
      'E5: an undeclared output is cut to the limit (LiteLLM PR#29191)': {
        known: { capacity: 1_000 },
        want: tokens(800, 200),
      },
      'E5: a declared one is not: it is impossible, and that is told (PR#37001)': {
        ask: { input: { max_tokens: 10_000 } },
        known: { capacity: 1_000 },
        want: tokens(800, 10_000),
      },
      'E5: an input that does not fit stays what it is': {
        ask: { inputTokens: 2_000 },
        known: { capacity: 1_000 },
        want: tokens(2_000, 1),
      },
      'E2: tokens that are not told apart': {
        ask: { inputTokens: 100, input: { max_tokens: 50 } },
        known: { typical: { 'm/tokens': 10 } },
        want: { 'm/tokens': 150 },
      },
      'E2, E5: tokens that are not told apart, nothing declared': {
        known: { typical: { 'm/tokens': 1_024 }, capacity: 100 },
        want: { 'm/tokens': 100 },
      },
      'E2: what is no token is as stated': {
        ask: { inputTokens: 5_000 },
        known: { typical: { 'web/requests': 3 } },
        want: { 'web/requests': 3 },
      },
    }
  test.each(Object.entries(table))('%s', (_sentence, { ask, known: given, want }) => {
    expect(fromDemand(estimateOf(asked(ask), known(given), ASKER).demand)).toEqual(want)
  })
})

test('E5: an undeclared output never makes impossible what its input does not', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 5_000 }),
      fc.nat(5_000),
      fc.option(fc.integer({ min: 1, max: 9_000 })),
      (capacity, inputTokens, p90) => {
        const learned = p90 === null ? {} : { 'm/output-tokens': learnt(p90) }
        const typical = { ...TYPICAL, 'm/input-tokens': 1 }
        const { demand } = estimateOf(asked({ inputTokens }), known({ typical, learned, capacity }), ASKER)
        const total = fromDemand(demand)['m/tokens'] ?? 0
        expect(total <= capacity || inputTokens >= capacity).toBe(true)
        for (const [, units] of demand) expect(units).toBeGreaterThanOrEqual(1)
      },
    ),
  )
})

describe('the bounds', () => {
  const bounds = (ask: Partial<ExecutionAsk>) => {
    const { demand } = estimateOf(asked(ask), known(), ASKER)
    const { least, most } = boundsOf(asked(ask), known(), demand)
    return { least: fromDemand(least), most: fromDemand(most) }
  }

  test('are the counted input alone, and the most that the worker says', () => {
    const { least, most } = bounds({ inputTokens: 5 })
    expect(least).toMatchObject({ 'm/input-tokens': 5, 'm/output-tokens': 0, 'm/tokens': 5, 'm/requests': 1 })
    expect(most).toEqual(MAXIMUM)
  })

  test('have no more output than is declared', () => {
    expect(bounds({ input: { max_tokens: 50 } }).most).toMatchObject({
      'm/output-tokens': 50,
      'm/tokens': 6_050,
    })
  })

  test('are what is asked, where it is asked', () => {
    const resources = { 'm/tokens': 7 }
    expect(bounds({ resources })).toEqual({ least: resources, most: resources })
  })
})
