// Usage as a file: columns named as FOCUS 1.2 names them where it has a name for it, ours with `x_`.
//
// E1  A row is a line of usage as it was booked, and never changes: a correction is a row of its own, and may be
//     negative. Its charge period is the hour in which it was booked.
// E2  A cell that a spreadsheet would take for a formula is told with an apostrophe before it; numbers are told as they
//     are.

import type { Transform, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { stringify } from 'csv-stringify'
import type { UsageLine } from '../../activities/ledger/usage-lines.ts'
import { formatUsd } from '../../domain/money.ts'
import type { USAGE_FORMATS } from '../schema/usage.ts'
import { toIso } from './time.ts'

const HOUR_MS = 3_600_000

type Cell = string | number | boolean | null

const COLUMNS: Readonly<Record<string, (line: UsageLine, clientId: string) => Cell>> = {
  ChargePeriodStart: ({ atMs }) => toIso(hourOf(atMs)),
  ChargePeriodEnd: ({ atMs }) => toIso(hourOf(atMs) + HOUR_MS),
  ChargeCategory: () => 'Usage',
  ChargeClass: ({ kind }) => (kind === 'correction' ? 'Correction' : null),
  SubAccountId: (_line, clientId) => clientId,
  ProviderName: ({ provider }) => provider,
  ResourceId: ({ resource }) => resource,
  SkuId: ({ model }) => model,
  ConsumedQuantity: ({ resource, units }) => (resource === null ? null : units),
  ConsumedUnit: ({ unit }) => unit,
  BilledCost: ({ costNanoUsd }) => formatUsd(costNanoUsd),
  BillingCurrency: () => 'USD',
  x_RequestId: ({ requestId }) => requestId,
  x_Attempt: ({ attempt }) => attempt,
  x_Template: ({ template }) => template,
  x_Worker: ({ worker }) => worker,
  x_Scope: ({ scopePath }) => scopePath,
  x_IsAssumed: ({ kind }) => kind === 'assumed',
  x_BookedAt: ({ atMs }) => toIso(atMs),
}
const NUMBERS_AS_TEXT = new Set<unknown>(['BilledCost'])

export const MEDIA_TYPES = {
  csv: 'text/csv',
  ndjson: 'application/x-ndjson',
} as const satisfies Record<(typeof USAGE_FORMATS)[number], string>

type Lines = AsyncIterable<UsageLine>
type Export = { readonly format: keyof typeof MEDIA_TYPES; readonly clientId: string; readonly lines: Lines }

/** Writes them as they come, as fast as they are taken. */
export async function writeUsage({ format, clientId, lines }: Export, to: Writable): Promise<void> {
  const rows = rowsOf(lines, clientId)
  await (format === 'csv' ? pipeline(rows, toCsv(), to) : pipeline(rows, toNdjson, to))
}

async function* toNdjson(rows: ReturnType<typeof rowsOf>): AsyncGenerator<string, void> {
  for await (const row of rows) yield `${JSON.stringify(row)}\n`
}

/** RFC 4180, with a header. */
function toCsv(): Transform {
  return stringify({
    header: true,
    columns: Object.keys(COLUMNS),
    record_delimiter: 'windows',
    escape_formulas: true,
    cast: {
      boolean: String,
      string: (value, { column }) =>
        NUMBERS_AS_TEXT.has(column) ? { value, escape_formulas: false } : value,
    },
  })
}

async function* rowsOf(lines: Lines, clientId: string): AsyncGenerator<Readonly<Record<string, Cell>>, void> {
  for await (const line of lines) yield rowOf(line, clientId)
}

function rowOf(line: UsageLine, clientId: string): Readonly<Record<string, Cell>> {
  return Object.fromEntries(Object.entries(COLUMNS).map(([name, cell]) => [name, cell(line, clientId)]))
}

function hourOf(atMs: number): number {
  return Math.floor(atMs / HOUR_MS) * HOUR_MS
}
