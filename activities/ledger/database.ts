// The connection to the ledger's Postgres, and what its values are in JavaScript.
//
// D1  A bigint arrives as a number, and only where it is a safe integer; else the read fails.
// D2  A time is epoch milliseconds on this side, timestamptz on the other.
// D3  Columns are snake_case there and camelCase here.

import assert from 'node:assert/strict'
import postgres from 'postgres'

/** A pool of connections. */
export type Sql = postgres.Sql
/** A pool or a transaction: whatever statements can be sent to. */
export type Queries = postgres.ISql<Record<never, never>>
export type Transaction = postgres.TransactionSql

const STATEMENT_TIMEOUT_MS = 15_000
const LOCK_TIMEOUT_MS = 10_000
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 20_000
const CONNECT_TIMEOUT_SECONDS = 10

const OID_BIGINT = 20
const OID_TIMESTAMPTZ = 1184
const OID_JSONB = 3802

export function openDatabase(url: string, { max }: { readonly max: number }): Sql {
  return postgres(url, {
    max,
    connect_timeout: CONNECT_TIMEOUT_SECONDS,
    connection: {
      application_name: 'resource-manager',
      statement_timeout: STATEMENT_TIMEOUT_MS,
      lock_timeout: LOCK_TIMEOUT_MS,
      idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT_MS,
      // Every statement finds its rows by key: planning one anew for its values costs more than running it.
      plan_cache_mode: 'force_generic_plan',
    },
    onnotice: () => undefined,
    transform: { column: { from: postgres.toCamel, to: postgres.fromCamel } },
    types: {
      bigint: { to: OID_BIGINT, from: [OID_BIGINT], serialize: String, parse: safeInteger },
      time: {
        to: OID_TIMESTAMPTZ,
        from: [OID_TIMESTAMPTZ],
        serialize: (atMs: number) => new Date(atMs).toISOString(),
        parse: (text: string) => Date.parse(text),
      },
    },
  })
}

/** A value as one jsonb parameter; null is SQL's null. */
export function jsonb(sql: Queries, value: unknown): postgres.Parameter | null {
  return value === null ? null : sql.typed(value as postgres.SerializableParameter, OID_JSONB)
}

/** A time inside a jsonb parameter. */
export function toTimestamp(atMs: number): string {
  return new Date(atMs).toISOString()
}

function safeInteger(text: string): number {
  const value = Number(text)
  assert(Number.isSafeInteger(value), `${text} is no safe integer`)
  return value
}
