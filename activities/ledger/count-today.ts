// How many requests clients made on a day, read under a lock of the client, so that a day is never overfull.
//
// DL1 What usage tells is exact (usage.ts U1, U3): the sum of the day and the lines that are not in it yet. So a count
//     reads what came since the last roll-up, however many requests the day has.

import { periodStart } from '../../domain/calendar.ts'
import type { Transaction } from './database.ts'
import { jsonb, timestamp } from './statement.ts'

export type ClientDay = { readonly key: string; readonly clientId: string; readonly startsAtMs: number }

const DAY_MS = 86_400_000

/** The UTC day of a client that holds `atMs`. */
export function clientDay(clientId: string, atMs: number): ClientDay {
  const startsAtMs = periodStart({ period: 'day', timezone: 'UTC' }, atMs)
  return { key: `${clientId} ${startsAtMs}`, clientId, startsAtMs }
}

/** Requests by the key of their day; the clients are locked until the transaction ends. */
export async function countToday(
  tx: Transaction,
  days: readonly ClientDay[],
): Promise<Readonly<Record<string, number>>> {
  if (days.length === 0) return {}
  const wanted = [...new Map(days.map((day) => [day.key, day])).values()].map((day) => ({
    key: day.key,
    client: day.clientId,
    from: timestamp(day.startsAtMs),
    to: timestamp(day.startsAtMs + DAY_MS),
  }))
  // Two statements: the second one sees what whoever held the locks has written.
  const [, counts] = await Promise.all([
    tx`
      select from client where id = any (${wanted.map(({ client }) => client)})
      order by id for no key update`,
    tx<{ key: string; requests: number }[]>`
      select key,
             (select coalesce(sum(requests), 0)::bigint from usage_day
              where client_id = client and at = "from" and resource = '')
             + (select coalesce(sum(requests), 0)::bigint from usage_inbox
                where client_id = client and at >= "from" and at < "to") as requests
      from jsonb_to_recordset(${jsonb(wanted)}) as wanted
        (key text, client text, "from" timestamptz, "to" timestamptz)`,
  ])
  return Object.fromEntries(counts.map(({ key, requests }) => [key, requests]))
}
