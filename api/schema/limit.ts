// The kinds of limits, as an operator configures them; docs/limits.md says which provider has which.

import { z } from 'zod'
import { LIMIT_DEFAULTS, PARTS_PER_WHOLE, stepUnitsOf } from '../../domain/limit.ts'
import * as p from './primitives.ts'

/** A part of the whole; the finest is a ten-thousandth. */
export const fraction = z
  .number()
  .min(0)
  .max(1)
  .multipleOf(1 / PARTS_PER_WHOLE)

const positiveFraction = fraction.min(1 / PARTS_PER_WHOLE)
const GROWTH_MAX = 100
const GROWTH_WINDOWS_MAX = 100

const counting = {
  per: z
    .enum(['unit', 'reservation'])
    .exactOptional()
    .meta({ description: 'What is counted: units (default), or each reservation as one' }),
}
const window = { units: p.positive, windowMs: p.periodMs, ...counting }
const phaseMs = p.count.meta({ description: 'Windows begin so long after full ones since the epoch (UTC)' })

type Phased = { readonly phaseMs?: number }

function isWithin(phased: Phased, lengthMs: number, context: z.RefinementCtx): void {
  if (phased.phaseMs === undefined || phased.phaseMs < lengthMs) return
  context.addIssue({ code: 'custom', path: ['phaseMs'], message: `expected less than ${lengthMs}` })
}

export const limit = z
  .discriminatedUnion('type', [
    z.strictObject({
      type: z.literal('token-bucket'),
      capacity: p.positive,
      refillUnits: p.positive,
      refillMs: p.periodMs,
      ...counting,
    }),
    z.strictObject({ type: z.literal('sliding-window'), ...window }),
    z.strictObject({ type: z.literal('first-hit-window'), ...window }),
    z
      .strictObject({ type: z.literal('sliding-counter'), ...window, phaseMs: phaseMs.exactOptional() })
      .superRefine((limit, context) => isWithin(limit, limit.windowMs, context)),
    z.strictObject({
      type: z.literal('fixed-window'),
      units: p.positive,
      period: z.enum(['minute', 'hour', 'day', 'month']),
      timezone: p.timezone.default('UTC'),
      ...counting,
    }),
    z
      .strictObject({ type: z.literal('clock-window'), ...window, phaseMs: phaseMs.default(0) })
      .superRefine((limit, context) => isWithin(limit, limit.windowMs, context)),
    z
      .strictObject({
        type: z.literal('quantized-window'),
        ...window,
        stepMs: p.periodMs,
        phaseMs: phaseMs.exactOptional(),
      })
      .superRefine((limit, context) => {
        isWithin(limit, limit.stepMs, context)
        const { type, units, windowMs, stepMs } = limit
        const isTooShort = stepMs > windowMs || stepUnitsOf({ type, units, windowMs, stepMs }) < 1
        const message = 'expected a step of the window in which at least one unit passes'
        if (isTooShort) context.addIssue({ code: 'custom', path: ['stepMs'], message })
      }),
    z
      .strictObject({
        type: z.literal('slew'),
        ...window,
        growth: z
          .number()
          .min(0)
          .max(GROWTH_MAX)
          .multipleOf(1 / PARTS_PER_WHOLE)
          .default(LIMIT_DEFAULTS.slew.growth / PARTS_PER_WHOLE),
        growthMs: p.periodMs.default(LIMIT_DEFAULTS.slew.growthMs),
      })
      .superRefine(({ windowMs, growthMs }, context) => {
        const windows = growthMs / windowMs
        if (windows >= 1 && windows <= GROWTH_WINDOWS_MAX) return
        const message = `expected 1 to ${GROWTH_WINDOWS_MAX} times \`windowMs\``
        context.addIssue({ code: 'custom', path: ['growthMs'], message })
      }),
    z.strictObject({
      type: z.literal('spend-cap'),
      units: p.positive,
      until: p.time.meta({ description: 'From then on it limits nothing' }),
      ...counting,
    }),
    z.strictObject({
      type: z.literal('adaptive'),
      ...window,
      floor: positiveFraction.default(LIMIT_DEFAULTS.adaptive.floor / PARTS_PER_WHOLE),
      decrease: fraction.default(LIMIT_DEFAULTS.adaptive.decrease / PARTS_PER_WHOLE),
      increase: positiveFraction.default(LIMIT_DEFAULTS.adaptive.increase / PARTS_PER_WHOLE),
    }),
    z.strictObject({
      type: z.literal('concurrency'),
      slots: p.positive,
      per: z.enum(['reservation', 'unit']).optional().meta({
        description:
          "What takes a slot; default `unit` where the resource's unit is `slots`, else `reservation`",
      }),
    }),
  ])
  .meta({ id: 'Limit' })

export type LimitBody = z.infer<typeof limit>
