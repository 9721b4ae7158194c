// What we answer about requests and reservations.

import { z } from 'zod'
import { PROBLEM_CODES } from '../../domain/failure.ts'
import { REQUEST_STATES } from '../../domain/request.ts'
import * as p from './primitives.ts'
import { queueClass } from './figures.ts'

const time = p.time.nullable()
const position = p.positive
  .nullable()
  .meta({ description: 'Counts from 1; null where the limiter has not placed it' })

export const problem = z
  .looseObject({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    instance: z.string(),
    code: z.enum(PROBLEM_CODES),
    requestId: z.string(),
    errors: z.array(z.strictObject({ pointer: z.string(), detail: z.string() })).optional(),
    retryAfterMs: p.count.optional(),
  })
  .meta({ id: 'Problem' })

const links = z.strictObject({
  self: z.string(),
  cancel: z.string(),
  events: z.string(),
  temporal: z.string().nullable(),
})

export const accepted = z
  .strictObject({
    requestId: z.string(),
    state: z.enum(REQUEST_STATES),
    queueClass,
    position,
    estimatedStart: time,
    estimatedCostUsd: p.usdTold,
    links,
  })
  .meta({ id: 'Accepted' })

export const enqueued = z.strictObject({ ...accepted.shape, queue: queueClass }).meta({ id: 'Enqueued' })

const priority = z.strictObject({
  score: z.int(),
  tier: z.int(),
  urgency: z.int(),
  waiting: z.int(),
  fairness: z.int(),
  starving: z.boolean(),
})

export const waitingFor = z
  .strictObject({
    resource: z.string(),
    limit: z.union([z.int(), z.string()]).meta({ description: 'Index in `limits`, or the name of a rule' }),
    needed: z.int(),
    available: z.int(),
    until: time,
  })
  .meta({ id: 'WaitingFor' })

const decision = z
  .strictObject({
    askedUrgency: p.urgency,
    urgencyLowered: z.boolean().meta({ description: "It was above the client's `priorityMax`" }),
    demandFrom: z.enum(['request', 'template', 'worker']).nullable(),
    waitedFor: waitingFor.nullable().meta({ description: 'What it last waited for before its grant' }),
    limiterConfigVersion: p.count.nullable(),
  })
  .meta({ id: 'Decision' })

export const execution = z
  .strictObject({
    requestId: z.string(),
    clientId: z.string(),
    tier: z.string().nullable(),
    template: z.string().nullable(),
    worker: z.string().nullable(),
    action: z.string().nullable(),
    state: z.enum(REQUEST_STATES),
    urgency: p.urgency,
    queueClass,
    position,
    estimatedStart: time,
    priority: priority.nullable(),
    waitingFor: waitingFor.nullable(),
    resources: z.strictObject({ reserved: p.units, actual: p.units.nullable() }),
    cost: z.strictObject({
      estimatedUsd: p.usdTold.nullable(),
      heldUsd: p.usdTold,
      actualUsd: p.usdTold.nullable(),
      savedUsd: p.usdTold,
      assumed: z.boolean().meta({ description: 'Part of it is assumed: nobody reported the use' }),
    }),
    optimizations: z.array(
      z.strictObject({ kind: z.string(), from: z.string(), to: z.string(), savedUsd: p.usdTold }),
    ),
    attempts: p.count,
    partial: z.boolean(),
    output: p.json,
    error: z.looseObject({ code: z.string(), detail: z.string() }).nullable(),
    timeline: z.array(z.strictObject({ state: z.string(), at: p.time, detail: p.json.optional() })),
    labels: z.record(z.string(), z.string()),
    decision,
    configVersion: p.count,
    links,
  })
  .meta({ id: 'Execution' })

const listed = z
  .strictObject({
    requestId: z.string(),
    clientId: z.string(),
    tier: z.string().nullable(),
    template: z.string().nullable(),
    worker: z.string().nullable(),
    state: z.enum(REQUEST_STATES),
    urgency: p.urgency,
    createdAt: p.time,
    grantedAt: time,
    endedAt: time,
    cost: z.strictObject({ estimatedUsd: p.usdTold, actualUsd: p.usdTold.nullable() }),
  })
  .meta({ id: 'ListedExecution' })

export const executions = z
  .strictObject({ items: z.array(listed), cursor: z.string().nullable() })
  .meta({ id: 'Executions' })

export const RESERVATION_STATES = [
  'waiting',
  'granted',
  'settled',
  'cancelled',
  'expired',
  'rejected',
] as const

export const reservation = z
  .strictObject({
    reservationId: z.string(),
    clientId: z.string(),
    state: z.enum(RESERVATION_STATES),
    urgency: p.urgency,
    queueClass,
    position,
    estimatedStart: time,
    waitingFor: waitingFor.nullable(),
    grantedAt: time,
    startBy: time,
    expiresAt: time,
    resources: p.units,
    costUsd: p.usdTold.nullable().meta({ description: 'Estimated, and actual once settled' }),
    heldUsd: p.usdTold,
    settled: p.units.nullable(),
    late: z.boolean(),
    error: z.looseObject({ code: z.string(), detail: z.string() }).nullable(),
    decision,
    configVersion: p.count,
  })
  .meta({ id: 'Reservation' })

export const released = z
  .strictObject({
    reservationId: z.string(),
    state: z.enum(['settled', 'held', 'accepted']),
    settled: p.units,
    costUsd: p.usdTold,
    left: p.units.meta({ description: 'What one reservation could take now; negative is debt' }),
    late: z.boolean(),
  })
  .meta({ id: 'Released' })

export const consumed = z
  .strictObject({
    reservationId: z.string(),
    state: z.string(),
    consumed: p.units,
    expiresAt: time,
  })
  .meta({ id: 'Consumed' })

export const boosted = z.strictObject({ requestId: z.string(), points: z.int() }).meta({ id: 'Boosted' })

export const cancelled = z
  .strictObject({ requestId: z.string(), state: z.string() })
  .meta({ id: 'Cancelled' })

export const batchResult = z
  .strictObject({
    results: z.array(
      z.strictObject({
        op: z.enum(['cancel', 'boost']),
        requestId: z.string(),
        status: z.int(),
        code: z.enum(PROBLEM_CODES).nullable(),
        detail: z.string().nullable(),
        state: z.string().nullable(),
      }),
    ),
  })
  .meta({ id: 'QueueBatchResult' })

export const costOfRequest = z
  .strictObject({
    requestId: z.string(),
    clientId: z.string(),
    state: z.string(),
    estimatedUsd: p.usdTold.nullable(),
    heldUsd: p.usdTold,
    actualUsd: p.usdTold.nullable(),
    lines: z.array(
      z.strictObject({
        attempt: p.count,
        resource: z.string().nullable(),
        units: z.int().nullable(),
        freeUnits: z.int().meta({ description: 'Of the units by an allowance' }),
        perUnitUsd: z.string().nullable(),
        costUsd: p.usdTold,
        source: z.string().nullable(),
        effectiveFrom: time,
        assumed: z.boolean(),
        kind: z.string(),
      }),
    ),
  })
  .meta({ id: 'Cost' })
