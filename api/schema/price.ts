// A price as it is configured and told. Only the price of a unit is required; what is left out takes the default.

import { z } from 'zod'
import { PRICE_DEFAULTS as D } from '../../domain/price.ts'
import { WEEKDAYS } from '../../domain/price-rate.ts'
import * as p from './primitives.ts'

const THRESHOLDS_MAX = 16
const WINDOWS_MAX = 32

const thresholds = z
  .array(z.strictObject({ above: p.positive, perUnitUsd: p.unitPrice }))
  .max(THRESHOLDS_MAX)
  .refine((list) => list.every(({ above }, nth) => nth === 0 || above > (list[nth - 1]?.above ?? 0)), {
    error: 'expected thresholds in ascending order',
  })
  .default([])
  .meta({ description: 'All units of a request with more units than `above` have this price' })

const clock = z
  .string()
  .regex(/^(([01]\d|2[0-3]):[0-5]\d|24:00)$/, 'expected a time of day from "00:00" to "24:00"')

const window = z
  .strictObject({
    days: z
      .array(z.enum(WEEKDAYS))
      .max(WEEKDAYS.length)
      .default([])
      .meta({ description: 'On which it begins; none: every day' }),
    from: clock.meta({ description: 'Local time', example: '01:00' }),
    to: clock.meta({ description: 'Exclusive; not after `from`: on the next day', example: '04:00' }),
    perUnitUsd: p.unitPrice,
    thresholds,
  })
  .refine(({ from, to }) => from !== to && from !== '24:00' && to !== '00:00', {
    error: 'expected another time than `from`; midnight is "00:00" as a beginning and "24:00" as an end',
    path: ['to'],
  })

export const price = z
  .strictObject({
    effectiveFrom: p.time.optional().meta({ description: 'Applies from then on; default: at once' }),
    effectiveTo: p.time
      .nullable()
      .default(D.effectiveToMs)
      .meta({ description: 'Exclusive, needs `effectiveFrom`; null: until another begins' }),
    clientId: p.clientId.nullable().default(D.clientId).meta({ description: 'Only for this client' }),
    unit: z
      .string()
      .min(1)
      .max(64)
      .nullable()
      .default(D.unit)
      .meta({ description: 'What one unit is; refused where the resource counts another' }),
    perUnitUsd: p.unitPrice,
    thresholds,
    thresholdsOf: p.id
      .nullable()
      .default(D.thresholdsOf)
      .meta({ description: 'Resource whose units the thresholds count; null: this one' }),
    windows: z
      .array(window)
      .max(WINDOWS_MAX)
      .default([])
      .meta({ description: 'Other prices by the hour; the first that holds the moment applies' }),
    timezone: p.timezone.default(D.timezone).meta({ description: 'Of the windows and of the month' }),
    perCallUsd: p.unitPrice.default(D.perCallUsd).meta({ description: 'Added once per line' }),
    minimumUsd: p.unitPrice.default(D.minimumUsd).meta({ description: 'The least that a line costs' }),
    partOf: p.id
      .nullable()
      .default(D.partOf)
      .meta({ description: 'Resource whose units hold these too: they are billed here, not there' }),
    freePerMonth: p.count
      .default(D.freePerMonth)
      .meta({ description: 'Units free in a calendar month, for all requests together' }),
    checkedOn: z.iso
      .date()
      .nullable()
      .default(D.checkedOn)
      .meta({ description: 'Day on which the source was read' }),
    source: p.text.default(''),
  })
  .superRefine(({ effectiveFrom, effectiveTo, thresholds, windows, thresholdsOf }, context) => {
    const refuse = (field: string, message: string) =>
      context.addIssue({ code: 'custom', path: [field], message })
    if (effectiveTo !== null && !(Date.parse(effectiveFrom ?? '') < Date.parse(effectiveTo))) {
      refuse('effectiveTo', 'expected a moment after `effectiveFrom`, which is needed with it')
    }
    if (thresholdsOf !== null && [{ thresholds }, ...windows].every((rate) => rate.thresholds.length === 0)) {
      refuse('thresholdsOf', 'there are no `thresholds` that it counts for')
    }
  })
  .meta({ id: 'Price' })

/** What of a price contradicts its resource; null where nothing does. */
export function priceFault(
  resourceId: string,
  { partOf, unit }: PriceBody,
  resourceUnit: string | undefined,
): { readonly field: 'partOf' | 'unit'; readonly message: string } | null {
  if (partOf === resourceId) return { field: 'partOf', message: 'expected another resource than this one' }
  if (unit === null || resourceUnit === undefined || unit === resourceUnit) return null
  return { field: 'unit', message: `the resource counts ${resourceUnit}, not ${unit}` }
}

export type PriceBody = z.infer<typeof price>
