// Prices as a person reads them.

import Table from 'cli-table3'
import type { LearnedOf } from '../../activities/ledger/learn-use.ts'
import { costOf, exactCostOf, formatUsd } from '../../domain/money.ts'
import type { CostLine, Price, PriceTerms } from '../../domain/price.ts'
import type { Rate, Window } from '../../domain/price-rate.ts'
import type { ImportPlan } from './import.ts'

const day = (atMs: number): string => new Date(atMs).toISOString().slice(0, 10)

export function priceTable(prices: readonly Price[]): string {
  const table = new Table({ head: ['resource', 'USD per unit', 'from', 'terms', 'source'], style: PLAIN })
  for (const price of prices) {
    const { resourceId, perUnitUsd, effectiveFromMs, source } = price
    table.push([resourceId, perUnitUsd, day(effectiveFromMs), describeTerms(price), source])
  }
  return table.toString()
}

export function importTable({ differences }: ImportPlan): string {
  const table = new Table({ head: ['', 'resource', 'now', 'then', 'from', 'terms'], style: PLAIN })
  for (const { kind, row, before } of differences) {
    if (kind === 'same') continue
    const now = before === null ? 'no price' : [before.perUnitUsd, describeTerms(before)].join(' ').trim()
    table.push([kind, row.resourceId, now, row.perUnitUsd, day(row.effectiveFromMs), describeTerms(row)])
  }
  return table.toString()
}

export function learnedTable(learned: readonly LearnedOf[]): string {
  const head = [
    'of',
    'resource',
    'calls',
    'half below',
    '9 of 10 below',
    'beyond the count',
    'error, half / 9 of 10',
  ]
  const table = new Table({ head, style: PLAIN })
  for (const { subject, resourceId, samples, p50, p90, overheadP90, ...error } of learned) {
    const { errorPercentP50, errorPercentP90 } = error
    const errors = errorPercentP50 === null ? '' : `${errorPercentP50} % / ${errorPercentP90} %`
    table.push([subject, resourceId, samples, p50, p90, overheadP90 ?? '', errors])
  }
  return table.toString()
}

/** The arithmetic of one line, step by step. */
export function explainLine(line: CostLine, price: Price): string {
  const { item, units, freeUnits, perUnitUsd, costNanoUsd } = line
  const billed = (units ?? 0) - freeUnits
  const rate = perUnitUsd ?? price.perUnitUsd
  const fee = billed === 0 || price.perCallUsd === '0' ? '' : ` + ${price.perCallUsd}`
  const exact = billed === 0 ? '0' : exactCostOf(billed, rate, price.perCallUsd)
  const rounded = billed === 0 ? '0' : formatUsd(costOf(billed, rate, price.perCallUsd))
  const steps = [
    `row         ${price.id}: ${price.perUnitUsd} USD per unit from ${new Date(price.effectiveFromMs).toISOString()}`,
    `source      ${price.source}${price.checkedOn === null ? '' : `, checked ${price.checkedOn}`}`,
    `terms       ${describeTerms(price) || 'none'}`,
    `rate        ${rate}${rate === price.perUnitUsd ? '' : ' (by a threshold or an hour)'}`,
    ...(freeUnits === 0 ? [] : [`free        ${freeUnits} of ${units}`]),
    `arithmetic  ${billed} x ${rate}${fee} = ${exact}`,
    `rounded up  ${rounded}`,
    ...(formatUsd(costNanoUsd) === rounded ? [] : [`minimum     ${price.minimumUsd}`]),
    `cost        ${formatUsd(costNanoUsd)} USD`,
  ]
  return [item, ...steps.map((step) => `  ${step}`)].join('\n')
}

export function describeTerms(
  price: PriceTerms & Partial<Pick<Price, 'clientId' | 'effectiveToMs'>>,
): string {
  const { clientId = null, effectiveToMs = null } = price
  const terms = [
    clientId === null ? null : `for ${clientId}`,
    effectiveToMs === null ? null : `until ${day(effectiveToMs)}`,
    describeThresholds(price, price.thresholdsOf),
    ...price.windows.map((window) => describeWindow(window, price.timezone)),
    price.perCallUsd === '0' ? null : `+ ${price.perCallUsd} a call`,
    price.minimumUsd === '0' ? null : `at least ${price.minimumUsd}`,
    price.partOf === null ? null : `part of ${price.partOf}`,
    price.freePerMonth === 0 ? null : `${price.freePerMonth} free a month`,
  ]
  return terms.filter((term) => term !== null).join('; ')
}

function describeThresholds({ thresholds }: Rate, of: string | null): string | null {
  if (thresholds.length === 0) return null
  const steps = thresholds.map(({ above, perUnitUsd }) => `${perUnitUsd} above ${above}`)
  return steps.join(', ') + (of === null ? '' : ` of ${of}`)
}

function describeWindow({ days, fromMinute, toMinute, perUnitUsd }: Window, timezone: string): string {
  const clock = (minute: number): string =>
    `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`
  const on = days.length === 0 ? '' : `${days.join(' ')} `
  return `${perUnitUsd} ${on}${clock(fromMinute)}-${clock(toMinute)} ${timezone}`
}

const PLAIN = { head: [], border: [] }
