// The values that every body is made of: ids, money, times, units.
//
// P1  Money is a decimal string with at most 9 decimals; a number is never money.
// P2  A name that becomes a part of a scope path holds no `/`, or two scopes could share a budget.

import { z } from 'zod'
import { isUnitPrice, parseUsd } from '../../domain/money.ts'
import { isTimezone } from '../../domain/calendar.ts'
import { GLOBAL_SCOPE, scopeGap } from '../../domain/scope.ts'
import { URGENCIES } from '../../domain/priority.ts'
import type { Json } from '../../domain/failure.ts'

/** Resources in one demand. */
export const DEMAND_SIZE_MAX = 32
export const LABELS_MAX = 32
const TEXT_LENGTH_MAX = 1_000
const PART_LENGTH_MAX = 128

export const id = z
  .string()
  .regex(/^[A-Za-z0-9._:/@-]{1,128}$/, 'expected 1 to 128 of A-Z a-z 0-9 . _ : / @ -')
  .meta({ description: 'Id', example: 'openai/gpt-4/tokens' })

/** A name that is one part of a scope path (P2). */
const part = z
  .string()
  .max(PART_LENGTH_MAX)
  .regex(
    /^[A-Za-z0-9._:@-]{1,128}$/,
    'expected 1 to 128 of A-Z a-z 0-9 . _ : @ - (no slash: it is one part of a scope path)',
  )

export const clientId = part
  .refine((name) => name !== GLOBAL_SCOPE, `"${GLOBAL_SCOPE}" names the root scope, not a client`)
  .meta({ description: 'Client id', example: 'acme' })

export const scopePath = z
  .string()
  .regex(
    /^[A-Za-z0-9._:@-]{1,128}(\/[A-Za-z0-9._:@-]{1,128}){0,4}$/,
    'expected client[/session[/swarm[/run[/step]]]] or global',
  )
  .refine(
    (path) => !path.startsWith(`${GLOBAL_SCOPE}/`),
    `"${GLOBAL_SCOPE}" is the root and has no children by path`,
  )
  .meta({
    description: 'Scope path, the client first; `global` is the root',
    example: 'acme/session-7/swarm-1',
  })

export const scope = z
  .strictObject({
    session: part.nullable().default(null),
    swarm: part.nullable().default(null),
    run: part.nullable().default(null),
    step: part.nullable().default(null),
  })
  .superRefine((scope, context) => {
    const level = scopeGap(scope)
    if (level === null) return
    const message = 'expected the levels above it too: session, swarm, run, step'
    context.addIssue({ code: 'custom', path: [level], message })
  })
  .meta({ description: 'Where in the tree client > session > swarm > run > step the request belongs' })

const decimal = z.string().regex(/^-?\d{1,15}(\.\d{1,9})?$/, {
  error: 'expected a decimal string such as "0.0315", at most 9 decimals',
  abort: true,
})

/** An amount of USD that is not negative (P1). */
export const usd = decimal
  .refine((text) => {
    const amount = parseUsd(text)
    return amount !== null && amount >= 0
  }, 'expected 0 to 9007199.254740991 USD')
  .meta({ description: 'USD as a decimal string', example: '0.0315' })

/** An amount of USD that we tell, of any sign. */
export const usdTold = decimal.meta({ description: 'USD as a decimal string', example: '0.0315' })

export const unitPrice = z
  .string()
  .refine(isUnitPrice, 'expected a decimal string that is not negative, at most 15 decimals')
  .meta({ description: 'USD per unit; "0" is free', example: '0.00003' })

export const time = z.iso
  .datetime()
  .meta({ description: 'ISO 8601, UTC', example: '2026-11-20T08:00:00.000Z' })

export const timezone = z
  .string()
  .max(64)
  .refine(isTimezone, 'expected an IANA time zone such as "Europe/Berlin"')

export const positive = z.int().min(1)
export const count = z.int().min(0)
export const durationMs = z.int().min(0).max(31_622_400_000)
export const periodMs = z.int().min(1).max(31_622_400_000)

export const text = z.string().max(TEXT_LENGTH_MAX)
export const urgency = z.enum(URGENCIES)

/** Units wanted, at least one of each resource. */
export const demand = z
  .record(id, positive)
  .refine((units) => Object.keys(units).length <= DEMAND_SIZE_MAX, `at most ${DEMAND_SIZE_MAX} resources`)
  .meta({ description: 'Units by resource id', example: { 'openai/gpt-4/tokens': 1200 } })

/** Units used: zero is a figure too. */
export const use = z
  .record(id, count)
  .refine((units) => Object.keys(units).length <= DEMAND_SIZE_MAX, `at most ${DEMAND_SIZE_MAX} resources`)
  .meta({ description: 'Units by resource id', example: { 'openai/gpt-4/tokens': 1183 } })

/** Units told, debt included. */
export const units = z.record(z.string(), z.int())

export const labels = z
  .record(z.string().min(1).max(63), z.string().max(255))
  .refine((map) => Object.keys(map).length <= LABELS_MAX, `at most ${LABELS_MAX} labels`)

/** Any JSON: checked as such, and told without the schema of its own that a recursion would need. */
export const json = z
  .custom<Json>((value) => value !== undefined, 'expected JSON')
  .meta({ description: 'Any JSON', override: {} })
