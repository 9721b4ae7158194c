// What we answer about resources, queues, budgets and ourselves.

import { z } from 'zod'
import { BUDGET_PERIODS } from '../../domain/budget.ts'
import { LIMIT_TYPES } from '../../domain/limit.ts'
import { RESOURCE_KINDS } from '../../domain/resource.ts'
import * as p from './primitives.ts'

export const QUEUE_CLASSES = ['immediate', 'fast', 'normal', 'batch', 'deferred'] as const
export const queueClass = z.enum(QUEUE_CLASSES)

const time = p.time.nullable()

const limit = z.strictObject({
  type: z.enum(LIMIT_TYPES),
  limit: z.int(),
  used: z.int(),
  remaining: z.int(),
  resetsAt: time,
})
const observed = z
  .int()
  .nullable()
  .meta({ description: 'The size that the provider tells where that is not what is configured' })

export const availability = z
  .strictObject({
    asOf: p.time,
    resources: z.array(
      z.strictObject({
        id: z.string(),
        unit: z.string(),
        kind: z.enum(RESOURCE_KINDS),
        available: z.int().meta({ description: 'What one reservation could take now; negative is debt' }),
        inFlight: p.count,
        waiting: p.count,
        pools: z.record(z.string(), z.strictObject({ available: z.int(), limits: z.array(limit) })),
        limits: z.array(limit.extend({ observed })),
        closedUntil: time,
      }),
    ),
  })
  .meta({ id: 'Availability' })

export const checked = z
  .strictObject({
    available: z.boolean(),
    waitMs: p.count.nullable().meta({ description: 'Expected wait; null where nobody can tell' }),
    blocking: z
      .strictObject({
        resource: z.string(),
        limit: z.union([z.int(), z.string()]),
        needed: z.int(),
        available: z.int(),
        until: time,
      })
      .nullable(),
  })
  .meta({ id: 'Checked' })

const depth = { depth: p.count, oldestAgeMs: p.count.nullable(), averageWaitMs: p.count.nullable() }

export const queueStatus = z
  .strictObject({
    asOf: p.time,
    paused: z.boolean(),
    classes: z.array(z.strictObject({ queueClass, ...depth })),
    resources: z.array(z.strictObject({ id: z.string(), ...depth })),
  })
  .meta({ id: 'QueueStatus' })

export const queuePosition = z
  .strictObject({
    requestId: z.string(),
    state: z.string(),
    queue: queueClass,
    queueClass,
    position: p.positive.nullable(),
    estimatedStart: time,
    waitingFor: z
      .strictObject({
        resource: z.string(),
        limit: z.union([z.int(), z.string()]),
        needed: z.int(),
        available: z.int(),
        until: time,
      })
      .nullable(),
  })
  .meta({ id: 'QueuePosition' })

const budgetAmount = z
  .union([p.usdTold, z.int()])
  .meta({ description: 'A decimal string where the unit is USD, else an integer' })

const perCarveOut = { scope: z.string(), amount: budgetAmount, used: budgetAmount, held: budgetAmount }

export const budgetStanding = z
  .strictObject({
    scope: z.string(),
    unit: z.string(),
    period: z.enum(BUDGET_PERIODS),
    timezone: z.string(),
    windowMs: z.int().nullable(),
    amount: budgetAmount.meta({ description: 'As configured, and what raises it now' }),
    configured: budgetAmount,
    used: budgetAmount,
    held: budgetAmount,
    remaining: budgetAmount,
    available: budgetAmount.meta({ description: 'What could be held now: what remains, and credits' }),
    resetsAt: time,
    enforcement: z.enum(['hard', 'soft']),
    thresholds: z.array(z.int()),
    carvedFrom: z.string().nullable(),
    carveOuts: z
      .array(
        z.strictObject({
          ...perCarveOut,
          kept: budgetAmount.meta({ description: 'The part of `held` that is kept for it' }),
        }),
      )
      .meta({ description: 'What scopes below have of it, until they end' }),
    raises: z.array(
      z.strictObject({
        id: z.string(),
        kind: z.enum(['increase', 'top-up']),
        amount: budgetAmount,
        expiresAt: time,
      }),
    ),
    credits: z
      .array(
        z.strictObject({
          id: z.string(),
          amount: budgetAmount,
          used: budgetAmount,
          held: budgetAmount,
          remaining: budgetAmount,
          priority: z.int(),
          expiresAt: time,
        }),
      )
      .meta({ description: 'In the order in which they are burnt' }),
  })
  .meta({ id: 'BudgetStanding' })

export const currentUsage = z
  .strictObject({
    clientId: z.string(),
    asOf: p.time,
    budgets: z.array(budgetStanding),
    concurrent: z.strictObject({ used: p.count, limit: p.count.nullable() }),
    requests: z.strictObject({ today: p.count, month: p.count, dailyLimit: p.count.nullable() }),
    resources: z.record(z.string(), z.strictObject({ today: z.int(), month: z.int() })),
  })
  .meta({ id: 'CurrentUsage' })

const learnedUse = z.strictObject({
  samples: p.count.meta({ description: 'Calls that were looked at, at most the last 200 requests' }),
  p50: p.count,
  p90: p.count.meta({ description: 'Units that nine of ten calls kept to' }),
  overheadP90: z.int().nullable().meta({ description: 'Beyond the tokens counted in the input' }),
  errorPercentP50: z.int().nullable().meta({ description: 'Reserved less used, in percent of the used' }),
  errorPercentP90: z.int().nullable(),
})

export const costEstimate = z
  .strictObject({
    resources: p.units.meta({ description: 'What admission would reserve' }),
    from: z.enum(['request', 'template', 'worker']),
    inputTokens: z
      .strictObject({ tokens: p.count, by: z.enum(['count', 'length']) })
      .nullable()
      .meta({ description: 'Of the input; null where `resources` says what is needed' }),
    declaredOutputTokens: p.count.nullable().meta({ description: 'The greatest output limit in the input' }),
    minUsd: p.usdTold.meta({ description: 'The input alone' }),
    expectedUsd: p.usdTold.meta({ description: 'What admission would hold: the sum of the lines' }),
    maxUsd: p.usdTold.meta({ description: 'The most that the worker says it takes' }),
    lines: z.array(
      z.strictObject({
        resource: z.string(),
        units: z.int(),
        perUnitUsd: z.string(),
        costUsd: p.usdTold,
        source: z.string(),
        effectiveFrom: time,
      }),
    ),
    learned: z.record(z.string(), learnedUse).meta({
      description: 'What earlier calls of the template, or of the worker without one, used, by resource',
    }),
  })
  .meta({ id: 'CostEstimate' })

export const health = z
  .strictObject({
    status: z.enum(['ok', 'unavailable']),
    checks: z
      .record(z.string(), z.strictObject({ ok: z.boolean(), detail: z.string().optional() }))
      .optional(),
  })
  .meta({ id: 'Health' })

export const root = z
  .strictObject({ name: z.string(), version: z.string(), links: z.record(z.string(), z.string()) })
  .meta({ id: 'Root' })

export const status = z
  .strictObject({
    status: z.enum(['ok', 'degraded']),
    version: z.string(),
    startedAt: p.time,
    uptimeMs: p.count,
    configVersion: p.count,
    appliedConfigVersion: p.count.nullable(),
    paused: z.boolean(),
    waiting: p.count,
    temporal: z.strictObject({ ok: z.boolean(), ui: z.string().nullable() }),
    database: z.strictObject({ ok: z.boolean() }),
    sampleWorker: z.string().nullable(),
    simulator: z.string().nullable(),
  })
  .meta({ id: 'Status' })
