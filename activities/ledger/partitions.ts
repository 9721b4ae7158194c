// The months of the tables of usage: made ahead of their time, dropped when they are no longer kept.
//
// M1  A month (UTC) is a partition of each table. Lines that came before their month had one wait in the table's rest,
//     and move into it when it is made: a month that is missing loses nothing.
// M2  Made twice, by whoever, it is made once.
// M3  Lines go a whole month at once, and not while a request is there that they may tell of; sums go after the lines.

import type { Sql, Transaction } from './database.ts'
import type { Retention } from './retention.ts'
import { identifier, timestamp } from './statement.ts'

const TABLES = ['usage_line', 'usage_hour', 'usage_scope_hour']
const MONTHS_AHEAD = 3
/** Any constant: whoever changes partitions holds the lock that it names. */
const PARTITIONS_LOCK = 7_265_001

/** This month's and the next ones'; how many there were not yet. */
export async function makePartitions(sql: Sql, nowMs: number): Promise<number> {
  return await sql.begin(async (tx) => {
    await lockPartitions(tx)
    const [row] = await tx<[{ made: number }]>`
      select count(*) as made
      from unnest(${TABLES}::text[]) as parent, generate_series(0, ${MONTHS_AHEAD}) as ahead
      where make_month(parent, (date_trunc('month', ${timestamp(nowMs)}::timestamptz at time zone 'UTC')
                                + make_interval(months => ahead)) at time zone 'UTC')`
    return row.made
  })
}

/** The names of the partitions that were dropped (M3). */
export async function dropUsage(
  sql: Sql,
  { usageLinesMonths, usageSumsMonths }: Retention,
  nowMs: number,
): Promise<readonly string[]> {
  return await sql.begin(async (tx) => {
    await lockPartitions(tx)
    const [{ linesFrom, sumsFrom }] = await tx<[{ linesFrom: number; sumsFrom: number }]>`
      select least(month - make_interval(months => ${usageLinesMonths}), oldest) at time zone 'UTC' as lines_from,
             least(month - make_interval(months => ${Math.max(usageLinesMonths, usageSumsMonths)}), oldest)
               at time zone 'UTC' as sums_from
      from (select date_trunc('month', ${timestamp(nowMs)}::timestamptz at time zone 'UTC') as month,
                   (select date_trunc('month', min(created_at) at time zone 'UTC') from request) as oldest) as now`
    await tx`
      update usage_kept set lines_from = greatest(lines_from, ${timestamp(linesFrom)}::timestamptz)`
    await tx`delete from usage_day where at < ${timestamp(sumsFrom)}`
    const dropped: string[] = []
    for (const [table, fromMs] of [
      ['usage_line', linesFrom],
      ['usage_hour', sumsFrom],
      ['usage_scope_hour', sumsFrom],
    ] as const) {
      await tx`delete from ${identifier(`${table}_rest`)} where at < ${timestamp(fromMs)}`
      const months = await tx<{ name: string }[]>`
        select drop_months(${table}, ${timestamp(fromMs)}) as name`
      dropped.push(...months.map(({ name }) => name))
    }
    return dropped
  })
}

async function lockPartitions(tx: Transaction): Promise<void> {
  await tx`select pg_advisory_xact_lock(${PARTITIONS_LOCK})`
}
