import { describe, expect, test } from 'vitest'
import { judge, type Facts } from '../../domain/admit.ts'
import type { ExecutionAsk } from '../../domain/ask.ts'
import { nano } from '../../domain/money.ts'
import { PRICE_DEFAULTS } from '../../domain/price.ts'
import { RESOURCE_DEFAULTS, type Resource } from '../../domain/resource.ts'
import { TIER_DEFAULTS } from '../../domain/tier.ts'
import { execution, worker } from '../ledger/fixture.ts'

const NOON = Date.parse('2026-11-21T12:00:00Z')
const MAXIMUM = 100
const resource = (id: string, given: Partial<Resource> = {}): Resource => ({
  ...RESOURCE_DEFAULTS,
  id,
  unit: 'tokens',
  limits: [{ type: 'sliding-window', units: MAXIMUM, windowMs: 60_000 }],
  ...given,
})
const price = { ...PRICE_DEFAULTS, id: 1, resourceId: 'in', perUnitUsd: '0.001', effectiveFromMs: 0 }
const facts: Facts = {
  configVersion: 1,
  client: { id: 'acme', tier: 'standard', maxConcurrent: null, dailyRequests: null, priorityMax: 'normal' },
  tier: { id: 'standard', points: 20, weight: 2, ...TIER_DEFAULTS },
  template: null,
  worker: worker(),
  resources: { in: resource('in', { maxWaitMs: 9_000 }), out: resource('out', { maxWaitMs: 5_000 }) },
  prices: { in: { ...price, source: 'test' }, out: { ...price, id: 2, resourceId: 'out', source: 'test' } },
  learned: {},
}

function judged(given: Partial<ExecutionAsk>, known: Partial<Facts> = {}) {
  const ask = execution({ resources: { in: 5 }, ...given })
  const judgement = judge(ask, { ...facts, ...known }, NOON)
  return judgement.kind === 'refused' ? judgement.refusal.code : judgement.draft
}

test('A1: of everything that is wrong with an ask, the first in the order of the rule is told', () => {
  const wrong = {
    worker: 'nobody',
    resources: { none: 1, in: MAXIMUM + 1, free: 1 },
    maxCostNanoUsd: nano(0),
  }
  const unpriced = { ...facts.resources, free: resource('free') }
  const codes = [
    judged(wrong, { client: null, tier: null, worker: null }),
    judged(wrong, { tier: null, worker: null }),
    judged(wrong, { worker: null }),
    judged({ ...wrong, worker: 'echo' }, { resources: unpriced }),
    judged({ ...wrong, resources: { in: MAXIMUM + 1, free: 1 } }, { resources: unpriced }),
    judged({ ...wrong, resources: { in: MAXIMUM, free: 1 } }, { resources: unpriced }),
    judged({ ...wrong, resources: { in: MAXIMUM } }, { resources: unpriced }),
  ]
  expect(codes).toEqual([
    'unknown-client',
    'unknown-tier',
    'unknown-worker',
    'unknown-resource',
    'impossible',
    'unknown-price',
    'cost-limit',
  ])
})

describe('A2: an urgency above the client’s is lowered, never refused', () => {
  test.for([
    ['urgent', 'normal'],
    ['high', 'normal'],
    ['low', 'low'],
  ] as const)('%s is judged as %s', ([asked, want]) => {
    expect(judged({ urgency: asked })).toMatchObject({ urgency: want })
  })
})

describe('A3: how long it may wait', () => {
  const both = { in: 1, out: 1 }
  const table: Record<string, { ask: Partial<ExecutionAsk>; untilMs: number }> = {
    'as long as the least patient resource lets it': { ask: { resources: both }, untilMs: 5_000 },
    'less where it asks for less': { ask: { resources: both, maxWaitMs: 700 }, untilMs: 700 },
    'no longer where it asks for more': { ask: { maxWaitMs: 60_000 }, untilMs: 9_000 },
    'counted from the end of a deferral': { ask: { deferUntilMs: NOON + 1_000 }, untilMs: 10_000 },
    'never beyond its deadline': { ask: { deadlineMs: NOON + 300 }, untilMs: 300 },
  }
  test.for(Object.entries(table))('%s', ([, { ask, untilMs }]) => {
    expect(judged(ask)).toMatchObject({ waitUntilMs: NOON + untilMs })
  })
})
