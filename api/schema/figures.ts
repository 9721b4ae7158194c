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

export const budgetStanding = z
  .strictObject({
    scope: z.string(),
    unit: z.string(),
    period: z.enum(BUDGET_PERIODS),
    amount: budgetAmount,
    used: budgetAmount,
    held: budgetAmount,
    remaining: budgetAmount,
    resetsAt: time,
    enforcement: z.enum(['hard', 'soft']),
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

export const costEstimate = z
  .strictObject({
    resources: p.units,
    minUsd: p.usdTold,
    expectedUsd: p.usdTold,
    maxUsd: p.usdTold,
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
