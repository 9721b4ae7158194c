// Usage over time: what is asked, and what we answer.

import { z } from 'zod'
import { USAGE_GROUPS } from '../../activities/ledger/usage-report.ts'
import * as p from './primitives.ts'
import { listQuery } from './requests.ts'

/** Room for the longest scope path, encoded. */
const CURSOR_LENGTH_MAX = 1_000

const dayOrTime = z.union([z.iso.date(), z.iso.datetime()], {
  error: 'expected a day such as 2026-11-21 or a time such as 2026-11-21T08:00:00.000Z, UTC',
})

const span = {
  from: dayOrTime.optional().meta({
    description: 'A day, or a time, of which the hour counts whole; default: the first of the month of `to`',
  }),
  to: dayOrTime.optional().meta({
    description: 'A day, which is included, or a time, up to which the hour counts whole; default: now',
  }),
}

export const usageQuery = z.strictObject({
  ...listQuery.shape,
  cursor: z.string().max(CURSOR_LENGTH_MAX).optional(),
  ...span,
  groupBy: z.enum(USAGE_GROUPS).default('day'),
})

export const USAGE_FORMATS = ['csv', 'ndjson'] as const

export const exportQuery = z.strictObject({ ...span, format: z.enum(USAGE_FORMATS).default('csv') })

const sums = {
  requests: z.int().nullable().meta({
    description: 'Admitted in the span; null where it is grouped by resource or model',
  }),
  resources: p.units.meta({
    description: 'Units booked in the span, by resource; corrections may be negative',
  }),
  costUsd: p.usdTold,
}

export const usageReport = z
  .strictObject({
    clientId: z.string(),
    asOf: p.time,
    from: p.time,
    to: p.time.meta({ description: 'Exclusive' }),
    groupBy: z.enum(USAGE_GROUPS),
    total: z.strictObject(sums),
    items: z.array(
      z.strictObject({
        key: z.string().nullable().meta({
          description: 'The day, resource, template, model, scope path or worker; null: without one',
        }),
        ...sums,
      }),
    ),
    cursor: z.string().nullable(),
  })
  .meta({ id: 'UsageReport' })

export type UsageSpan = { readonly from?: string | undefined; readonly to?: string | undefined }
