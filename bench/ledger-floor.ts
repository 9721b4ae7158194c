// The floor of the ledger's benchmark: what bare tables do. A balance that may not pass its amount, and a row for what
// was taken: one statement, one transaction, nothing else that an admission is about.

import { openDatabase } from '../activities/ledger/database.ts'

export type BareTables = {
  /** One admission on the nth row. */
  once(nth: number): Promise<boolean>
  /** That many on the first row, in one transaction. */
  batch(size: number): Promise<boolean>
  close(): Promise<void>
}

type Size = { readonly connections: number; readonly rows: number }

export async function openBareTables(url: string, { connections, rows }: Size): Promise<BareTables> {
  const sql = openDatabase(url, { max: connections })
  await sql.unsafe('drop table if exists bare_entry, bare_balance')
  await sql.unsafe('create table bare_balance (id bigint primary key, amount bigint, held bigint)')
  await sql.unsafe(
    'create table bare_entry (id bigint generated always as identity primary key, balance bigint)',
  )
  await sql`insert into bare_balance select n, 1000000000, 0 from generate_series(0, ${rows} - 1) as n`
  return {
    async once(nth) {
      const taken = await sql`
        with taken as (
          update bare_balance set held = held + 1 where id = ${nth % rows} and held + 1 <= amount returning id
        )
        insert into bare_entry (balance) select id from taken returning id`
      return taken.length === 1
    },
    async batch(size) {
      const taken = await sql`
        with taken as (
          update bare_balance set held = held + ${size} where id = 0 and held + ${size} <= amount returning id
        )
        insert into bare_entry (balance) select taken.id from taken, generate_series(1, ${size}) returning id`
      return taken.length === size
    },
    async close() {
      await sql.end()
    },
  }
}
