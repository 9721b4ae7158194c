// The months of the tables of usage: made ahead of their time.
//
// M1  A month (UTC) is a partition of each table. Lines that came before their month had one wait in the table's rest,
//     and move into it when it is made: a month that is missing loses nothing.
// M2  Made twice, by whoever, it is made once.

import type { Sql, Transaction } from './database.ts'
import { timestamp } from './statement.ts'

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

async function lockPartitions(tx: Transaction): Promise<void> {
  await tx`select pg_advisory_xact_lock(${PARTITIONS_LOCK})`
}
