// Usage between the wire and the ledger.
//
// U1  A span is of whole hours (UTC): those that it touches. A day is its 24 hours, the last one of `to` included.

import type { Span, UsageItem, UsageSum } from '../../activities/ledger/usage-report.ts'
import { periodStart } from '../../domain/calendar.ts'
import { formatUsd } from '../../domain/money.ts'
import { invalid } from '../problem.ts'
import type { UsageSpan } from '../schema/usage.ts'
import { toIso } from './time.ts'

const MONTH = { period: 'month', timezone: 'UTC' } as const
const HOUR_MS = 3_600_000
const DAY_MS = 86_400_000

/** Throws `invalid-request` where it ends before it begins. */
export function spanFrom({ from, to }: UsageSpan, nowMs: number): Span {
  const lastMs = to === undefined ? nowMs : isDay(to) ? Date.parse(to) + DAY_MS - 1 : Date.parse(to)
  const toMs = Math.ceil(lastMs / HOUR_MS) * HOUR_MS
  const firstMs = from === undefined ? periodStart(MONTH, toMs - 1) : Date.parse(from)
  if (firstMs > lastMs) {
    const detail = `expected a time before the end, which is ${to ?? 'now'}; got ${from ?? toIso(firstMs)}`
    throw invalid([{ pointer: '?from', detail }])
  }
  return { fromMs: Math.floor(firstMs / HOUR_MS) * HOUR_MS, toMs }
}

export function usageSumTo({ requests, units, costNanoUsd }: UsageSum) {
  return { requests, resources: { ...units }, costUsd: formatUsd(costNanoUsd) }
}

export function usageItemTo(item: UsageItem) {
  return { key: item.key === '' ? null : item.key, ...usageSumTo(item) }
}

function isDay(text: string): boolean {
  return !text.includes('T')
}
