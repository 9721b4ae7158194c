// Limits between the wire and the domain: fractions become parts, dates become milliseconds.

import { PARTS_PER_WHOLE, type Limit } from '../../domain/limit.ts'
import { SLOT_UNIT } from '../../domain/resource.ts'
import type { LimitBody } from '../schema/limit.ts'
import { fromIso, toIso } from './time.ts'

export function toParts(fraction: number): number {
  return Math.round(fraction * PARTS_PER_WHOLE)
}

export function toFraction(parts: number): number {
  return parts / PARTS_PER_WHOLE
}

/** A slot is a reservation, or a unit where the resource is counted in slots by itself. */
export function limitFrom(body: LimitBody, unit: string): Limit {
  switch (body.type) {
    case 'concurrency':
      return { ...body, per: body.per ?? (unit === SLOT_UNIT ? 'unit' : 'reservation') }
    case 'slew':
      return { ...body, growth: toParts(body.growth) }
    case 'spend-cap': {
      const { until, ...limit } = body
      return { ...limit, untilMs: fromIso(until) }
    }
    case 'adaptive': {
      const { floor, decrease, increase } = body
      return { ...body, floor: toParts(floor), decrease: toParts(decrease), increase: toParts(increase) }
    }
    default:
      return body
  }
}

export function limitTo(limit: Limit): LimitBody {
  switch (limit.type) {
    case 'slew':
      return { ...limit, growth: toFraction(limit.growth) }
    case 'spend-cap': {
      const { untilMs, ...body } = limit
      return { ...body, until: toIso(untilMs) }
    }
    case 'adaptive': {
      const { floor, decrease, increase } = limit
      return {
        ...limit,
        floor: toFraction(floor),
        decrease: toFraction(decrease),
        increase: toFraction(increase),
      }
    }
    default:
      return limit
  }
}
