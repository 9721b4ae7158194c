// What an operator configures: one schema per object, for the PUT routes, the whole document and the catalogue.
//
// What is left out takes the default of the domain; what is not enforced is not in these schemas, so that it is
// refused as unknown instead of being accepted and ignored.

import { z } from 'zod'
import { PARTS_PER_WHOLE } from '../../domain/limit.ts'
import { LENDING_DEFAULT, REFUND_RULES, RESOURCE_DEFAULTS, RESOURCE_KINDS } from '../../domain/resource.ts'
import { TIER_DEFAULTS } from '../../domain/tier.ts'
import { fraction, limit, type LimitBody } from './limit.ts'
import { price, priceFault } from './price.ts'
import { budgets } from './budget.ts'
import * as p from './primitives.ts'

const LIMITS_MAX = 16
const BACKOFFS_MAX = 32
const CAPABILITIES_MAX = 64
const MODELS_MAX = 32
const OBJECTS_MAX = 10_000

const pools = z
  .strictObject({
    reserved: fraction.default(0).meta({ description: 'For urgent work' }),
    dedicated: z.record(p.clientId, fraction).default({}).meta({ description: 'By client' }),
    lending: z
      .strictObject({
        reserved: fraction.default(LENDING_DEFAULT.reserved / PARTS_PER_WHOLE),
        dedicated: fraction.default(LENDING_DEFAULT.dedicated / PARTS_PER_WHOLE),
      })
      .exactOptional()
      .meta({
        description:
          'The part of such a pool that others may use while its owners do not wait for it; default none, and half',
      }),
  })
  .refine(
    ({ reserved, dedicated }) => sumOfParts([reserved, ...Object.values(dedicated)]) < PARTS_PER_WHOLE,
    'expected parts that leave something to share: together less than 1',
  )
  .meta({ description: 'Parts of every limit that are kept for some, carved out of it' })

function sumOfParts(fractions: readonly number[]): number {
  return fractions.reduce((sum, one) => sum + Math.round(one * PARTS_PER_WHOLE), 0)
}

export const resource = z
  .strictObject({
    unit: z.string().min(1).max(64),
    provider: z.string().min(1).max(128).nullable().default(RESOURCE_DEFAULTS.provider),
    kind: z.enum(RESOURCE_KINDS).default(RESOURCE_DEFAULTS.kind),
    limits: z
      .array(limit)
      .max(LIMITS_MAX)
      .meta({ description: 'All must hold; none: only counted and paid for' }),
    jitterMs: p.durationMs.default(RESOURCE_DEFAULTS.jitterMs),
    refund: z.enum(REFUND_RULES).default(RESOURCE_DEFAULTS.refund),
    chargeRejected: z.boolean().default(RESOURCE_DEFAULTS.chargeRejected).meta({
      description: 'A call that the provider refused counts all the same: nothing of it comes back',
    }),
    pools: pools.default({ reserved: 0, dedicated: {} }),
    guaranteedShare: fraction.default(RESOURCE_DEFAULTS.guaranteedShare / PARTS_PER_WHOLE).meta({
      description: 'Served by weighted fair queueing over tiers and clients, whatever the score says',
    }),
    maxQueue: p.count.default(RESOURCE_DEFAULTS.maxQueue),
    maxWaitMs: p.durationMs.default(RESOURCE_DEFAULTS.maxWaitMs),
  })
  .superRefine(({ limits, jitterMs, pools }, context) => {
    const longestMs = Math.min(...limits.map(longestDelayMsOf))
    if (jitterMs > longestMs) {
      const message = `expected at most ${longestMs}, so that a late call falls into the next window at the latest`
      context.addIssue({ code: 'custom', path: ['jitterMs'], message })
    }
    const isCarved = sumOfParts([pools.reserved, ...Object.values(pools.dedicated)]) > 0
    if (isCarved && limits.some(({ type }) => type === 'slew')) {
      const message = 'expected none beside a slew limit, which holds for the whole'
      context.addIssue({ code: 'custom', path: ['pools'], message })
    }
  })
  .meta({ id: 'Resource' })

/** The shortest window of a known phase bounds the delay; others are made longer by it. */
function longestDelayMsOf(limit: LimitBody): number {
  switch (limit.type) {
    case 'fixed-window':
      return SHORTEST_PERIOD_MS
    case 'clock-window':
      return limit.windowMs
    case 'quantized-window':
      return limit.phaseMs === undefined ? Number.POSITIVE_INFINITY : limit.stepMs
    default:
      return Number.POSITIVE_INFINITY
  }
}

const SHORTEST_PERIOD_MS = 60_000

export const tier = z
  .strictObject({
    points: z.int().min(0).max(40),
    weight: p.positive.max(1_000),
    maxConcurrent: p.positive.nullable().default(TIER_DEFAULTS.maxConcurrent),
    dedicated: z.boolean().default(TIER_DEFAULTS.dedicated),
    monthlyBudgetUsd: p.usd.nullable().default(TIER_DEFAULTS.monthlyBudgetUsd),
  })
  .meta({ id: 'Tier' })

export const client = z
  .strictObject({
    tier: p.id,
    maxConcurrent: p.positive.nullable().default(null),
    dailyRequests: p.count.nullable().default(null),
    priorityMax: p.urgency.default('urgent'),
    budgets: budgets.default([]),
  })
  .meta({ id: 'Client' })

export const template = z
  .strictObject({
    worker: p.id,
    action: z.string().min(1).max(128).nullable().default(null),
    models: z.array(p.id).max(MODELS_MAX).default([]),
    resources: p.demand.nullable().default(null),
    expectedMs: p.periodMs.nullable().default(null),
    deferrable: z.boolean().default(false),
  })
  .meta({ id: 'Template' })

const url = z
  .string()
  .max(2_000)
  .refine((text) => /^https?:\/\//.test(text) && URL.canParse(text), 'expected an http or https URL')

export const worker = z
  .strictObject({
    version: z.string().min(1).max(64).default('1'),
    capabilities: z.array(z.string().min(1).max(128)).max(CAPABILITIES_MAX).default([]),
    resourceRequirements: z
      .strictObject({ typical: p.demand.default({}), maximum: p.demand.default({}) })
      .default({ typical: {}, maximum: {} }),
    endpoints: z
      .strictObject({
        health: url.nullable().default(null),
        execute: url,
        cancel: url.nullable().default(null),
      })
      .optional(),
    timeoutMs: p.periodMs.default(60_000),
    expectedMs: p.periodMs.nullable().default(null),
    retryPolicy: z
      .strictObject({
        maxAttempts: z.int().min(1).max(100).default(3),
        backoffMs: z.array(p.durationMs).max(BACKOFFS_MAX).default([1_000, 5_000, 15_000]),
      })
      .default({ maxAttempts: 3, backoffMs: [1_000, 5_000, 15_000] }),
    planned: z.boolean().default(false),
  })
  .superRefine((worker, context) => {
    if (worker.endpoints !== undefined || worker.planned) return
    const message = 'expected the address of `execute`, or `planned: true`'
    context.addIssue({ code: 'custom', path: ['endpoints'], message })
  })
  .meta({ id: 'Worker' })

const objects = <T extends z.ZodType>(key: z.ZodType<string, string>, value: T) =>
  z
    .record(key, value)
    .refine((map) => Object.keys(map).length <= OBJECTS_MAX, `at most ${OBJECTS_MAX} objects`)
    .default({})

/** Everything that is configured, by id: `GET` and `PUT /admin/config`, and the catalogue's files. */
export const wholeConfig = z
  .strictObject({
    resources: objects(p.id, resource),
    tiers: objects(p.id, tier),
    clients: objects(p.clientId, client),
    budgets: objects(p.scopePath, budgets),
    templates: objects(p.id, template),
    workers: objects(p.id, worker),
    prices: objects(p.id, z.array(price).max(1_000)),
  })
  .superRefine(({ clients, budgets, prices, resources }, context) => {
    for (const [id, list] of Object.entries(prices)) {
      for (const [nth, one] of list.entries()) {
        const fault = priceFault(id, one, resources[id]?.unit)
        if (fault === null) continue
        context.addIssue({ code: 'custom', path: ['prices', id, nth, fault.field], message: fault.message })
      }
    }
    for (const scope of Object.keys(budgets)) {
      if ((clients[scope]?.budgets.length ?? 0) === 0) continue
      context.addIssue({
        code: 'custom',
        path: ['budgets', scope],
        message: 'the client has budgets of its own',
      })
    }
  })
  .meta({ id: 'Config' })

export type ResourceBody = z.infer<typeof resource>
export type TierBody = z.infer<typeof tier>
export type TemplateBody = z.infer<typeof template>
export type WorkerBody = z.infer<typeof worker>
export type WholeConfigBody = z.infer<typeof wholeConfig>
