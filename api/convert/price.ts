// A price between the wire and the domain.

import type { Price } from '../../domain/price.ts'
import type { PriceBody } from '../schema/price.ts'
import { fromIso, fromIsoOrNull, toIso, toIsoOrNull } from './time.ts'

type Terms = Omit<Price, 'id'>

/** Without a date it applies from `atMs`. */
export function priceFrom(resourceId: string, body: PriceBody, atMs: number): Terms {
  const { effectiveFrom, effectiveTo, windows, ...terms } = body
  return {
    ...terms,
    resourceId,
    effectiveFromMs: effectiveFrom === undefined ? atMs : fromIso(effectiveFrom),
    effectiveToMs: fromIsoOrNull(effectiveTo),
    windows: windows.map(({ from, to, ...rate }) => ({
      ...rate,
      fromMinute: toMinutes(from),
      toMinute: toMinutes(to),
    })),
  }
}

export function priceTo({ resourceId: _, effectiveFromMs, effectiveToMs, ...terms }: Terms) {
  return {
    ...terms,
    effectiveFrom: toIso(effectiveFromMs),
    effectiveTo: toIsoOrNull(effectiveToMs),
    thresholds: [...terms.thresholds],
    windows: terms.windows.map(({ fromMinute, toMinute, days, thresholds, perUnitUsd }) => ({
      days: [...days],
      from: toClock(fromMinute),
      to: toClock(toMinute),
      perUnitUsd,
      thresholds: [...thresholds],
    })),
  }
}

function toMinutes(clock: string): number {
  const [hours = 0, minutes = 0] = clock.split(':').map(Number)
  return hours * 60 + minutes
}

function toClock(minute: number): string {
  const two = (count: number) => String(count).padStart(2, '0')
  return `${two(Math.floor(minute / 60))}:${two(minute % 60)}`
}
