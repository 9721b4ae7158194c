// What KAM and its workers send: executions, reservations, operations on the queue.

import { z } from 'zod'
import { ACCURACIES, REQUEST_STATES } from '../../domain/request.ts'
import { RESERVATION_OUTCOMES } from '../../domain/report.ts'
import * as p from './primitives.ts'

const NO_SCOPE_BODY = { session: null, swarm: null, run: null, step: null }
const BATCH_MAX = 100
const BOOST_POINTS_MAX = 100
export const LEASE_MS_MIN = 1_000
export const LEASE_MS_MAX = 86_400_000
export const LEASE_MS_DEFAULT = 300_000

const demanded = p.demand.refine((units) => Object.keys(units).length > 0, 'expected at least one resource')
const leaseMs = z.int().min(LEASE_MS_MIN).max(LEASE_MS_MAX)

export const execute = z
  .strictObject({
    requestId: p.id.optional().meta({ description: 'Default: the Idempotency-Key, else made by us' }),
    clientId: p.clientId,
    template: p.id.nullable().default(null),
    worker: p.id.nullable().default(null),
    action: z.string().min(1).max(128).nullable().default(null),
    input: p.json.default(null),
    urgency: p.urgency.default('normal'),
    accuracy: z.enum(ACCURACIES).default('standard'),
    resources: demanded.nullable().default(null),
    scope: p.scope.default(NO_SCOPE_BODY),
    maxWaitMs: p.durationMs.nullable().default(null),
    deadline: p.time.nullable().default(null),
    deferUntil: p.time.nullable().default(null),
    maxCostUsd: p.usd.nullable().default(null),
    labels: p.labels.default({}),
  })
  .superRefine((body, context) => {
    if ((body.template === null) === (body.worker === null)) {
      context.addIssue({
        code: 'custom',
        path: ['template'],
        message: 'expected one of `template` and `worker`',
      })
    }
  })
  .meta({ id: 'Execute' })

export const reserve = z
  .strictObject({
    reservationId: p.id.optional().meta({ description: 'Default: the Idempotency-Key, else made by us' }),
    clientId: p.clientId,
    resources: demanded,
    urgency: p.urgency.default('normal'),
    costUsd: p.usd.nullable().default(null),
    scope: p.scope.default(NO_SCOPE_BODY),
    ttlMs: leaseMs.default(LEASE_MS_DEFAULT),
    maxWaitMs: p.durationMs.nullable().default(null),
  })
  .meta({ id: 'Reserve' })

export const consume = z
  .strictObject({
    reservationId: p.id,
    consumed: p.use.default({}),
    costUsd: p.usd.nullable().default(null),
    extendMs: leaseMs.nullable().default(null),
  })
  .meta({ id: 'Consume' })

export const release = z
  .strictObject({
    reservationId: p.id,
    actual: p.use.nullable().default(null),
    costUsd: p.usd.nullable().default(null),
    outcome: z.enum(RESERVATION_OUTCOMES).default('success'),
    output: p.json.default(null).meta({ description: 'Result of an execution whose worker answered 202' }),
    error: p.text.nullable().default(null),
  })
  .meta({ id: 'Release' })

const boostPoints = z.int().min(-BOOST_POINTS_MAX).max(BOOST_POINTS_MAX)

export const boost = z.strictObject({ requestId: p.id, points: boostPoints }).meta({ id: 'Boost' })

export const batch = z
  .strictObject({
    operations: z
      .array(
        z.discriminatedUnion('op', [
          z.strictObject({ op: z.literal('cancel'), requestId: p.id }),
          z.strictObject({ op: z.literal('boost'), requestId: p.id, points: boostPoints }),
        ]),
      )
      .min(1)
      .max(BATCH_MAX),
  })
  .meta({ id: 'QueueBatch' })

export const check = z
  .strictObject({ clientId: p.clientId, urgency: p.urgency.default('normal'), resources: demanded })
  .meta({ id: 'Check' })

export const estimate = z
  .strictObject({
    clientId: p.clientId.optional(),
    template: p.id.nullable().default(null),
    worker: p.id.nullable().default(null),
    resources: demanded.nullable().default(null),
    input: p.json.default(null).meta({ description: 'Its tokens are counted where `resources` is left out' }),
  })
  .superRefine((body, context) => {
    const given = [body.template, body.worker, body.resources].filter((value) => value !== null).length
    if (given === 0) {
      context.addIssue({ code: 'custom', path: [], message: 'expected `resources`, `template` or `worker`' })
    }
  })
  .meta({ id: 'Estimate' })

export const keyScope = z.enum(['execute', 'read', 'internal', 'admin'])

export const createKey = z
  .strictObject({
    clientId: p.clientId.nullable().default(null),
    scopes: z.array(keyScope).min(1).max(4),
    label: z.string().max(128).default(''),
    expiresAt: p.time.nullable().default(null),
  })
  .meta({ id: 'CreateKey' })

export const cancel = z.strictObject({ reason: p.text.optional() }).meta({ id: 'Cancel' })

const LIST_LIMIT_MAX = 200
const LIST_LIMIT_DEFAULT = 50
/** Query of every list: `limit`, at most 200, and the `cursor` that the page before told. */
export const listQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(LIST_LIMIT_MAX).default(LIST_LIMIT_DEFAULT),
  cursor: z.string().max(500).optional(),
})

export const executionsQuery = z.strictObject({
  ...listQuery.shape,
  clientId: p.clientId.optional(),
  state: z.enum(REQUEST_STATES).optional(),
})

export type ExecuteBody = z.infer<typeof execute>
export type ReserveBody = z.infer<typeof reserve>
export type KeyScope = z.infer<typeof keyScope>
export type EstimateBody = z.infer<typeof estimate>
