// The connection to the ledger's Postgres, and what its values are in JavaScript.
//
// D1  A bigint arrives as a number, and only where it is a safe integer; else the read fails.
// D2  A time is epoch milliseconds on this side, timestamptz on the other.
// D3  Columns are snake_case there and camelCase here.
// D4  A connection that dies fails the statements that are under way on it, and nothing else: the next ones get another.
// D5  What is sent without being awaited in between goes down a connection together.

import assert from 'node:assert/strict'
import { setTimeout } from 'node:timers/promises'
import { Client, Pool, types, type PoolClient, type QueryConfig, type QueryResult } from 'pg'
import { Listener } from './listener.ts'
import { Statement, toCamel, type Fragment, type Rendered, type Result, type Value } from './statement.ts'

type AnyRow = Readonly<Record<string, unknown>>

/** Whatever statements can be sent to: a pool or a transaction. */
export type Queries = <Rows extends readonly object[] = readonly AnyRow[]>(
  texts: TemplateStringsArray,
  ...parts: readonly (Value | Fragment)[]
) => Statement<Rows>

export type Transaction = Queries

/** A pool of connections. */
export type Sql = Queries & {
  /** All of `work` or nothing: committed where it resolves, rolled back where it rejects. */
  begin<T>(work: (tx: Transaction) => Promise<T>, mode?: string): Promise<T>
  /** Hears the notifications of a channel, on a connection of its own that comes back by itself. */
  listen(channel: string, hear: (payload: string) => void): Promise<Listener>
  /** Statements as text, without parameters. */
  unsafe(text: string): Promise<void>
  /** Waits for what is under way, at most `timeout` seconds where it is given. */
  end(options?: { readonly timeout: number }): Promise<void>
}

const STATEMENT_TIMEOUT_MS = 15_000
const LOCK_TIMEOUT_MS = 10_000
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 20_000
const CONNECT_TIMEOUT_MS = 10_000

const OID_BIGINT = 20
const OID_TIMESTAMPTZ = 1184

export function openDatabase(url: string, { max }: { readonly max: number }): Sql {
  const config = {
    connectionString: url,
    application_name: 'resource-manager',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    lock_timeout: LOCK_TIMEOUT_MS,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT_MS,
    // Every statement finds its rows by key: planning one anew for its values costs more than running it.
    options: '-c plan_cache_mode=force_generic_plan',
    keepAlive: true,
    pipeline: true,
    types: { getTypeParser },
  } as const
  const pool = new Pool({ ...config, max })
  // What dies is told by the statements on it, and replaced by the pool; nobody else waits for it (D4).
  pool.on('connect', (client: PoolClient) => client.on('error', ignore))
  pool.on('error', ignore)
  const methods: Pick<Sql, 'begin' | 'listen' | 'unsafe' | 'end'> = {
    begin: (work, mode = '') => transaction(pool, work, mode),
    listen: (channel, hear) => Listener.start(() => new Client(config), { channel, hear }),
    unsafe: async (text) => void (await pool.query(text)),
    end: (options) => endOf(pool, options?.timeout ?? null),
  }
  return Object.assign(queriesOn(pool), methods)
}

async function endOf(pool: Pool, timeoutSeconds: number | null): Promise<void> {
  const ended = pool.end()
  if (timeoutSeconds === null) return await ended
  await Promise.race([ended, setTimeout(timeoutSeconds * 1_000, undefined, { ref: false })])
}

type Channel = { query(query: QueryConfig): Promise<QueryResult> }

function queriesOn(channel: Channel): Queries {
  return <Rows extends readonly object[]>(
    texts: readonly string[],
    ...parts: readonly (Value | Fragment)[]
  ) => new Statement<Rows>(texts, parts, async (rendered) => resultOf(await channel.query(queryOf(rendered))))
}

async function transaction<T>(pool: Pool, work: (tx: Transaction) => Promise<T>, mode: string): Promise<T> {
  const client = await pool.connect()
  let broken: Error | boolean = true
  try {
    const begun = client.query(`begin ${mode}`)
    const [result] = await Promise.all([work(queriesOn(client)), begun])
    const { command } = await client.query('commit')
    // Postgres answers a commit after a failed statement with a rollback.
    if (command !== 'COMMIT') throw new Error('a statement of the transaction failed, and nobody looked')
    broken = false
    return result
  } catch (error) {
    broken = await isBrokenAfterRollback(client)
    throw error
  } finally {
    client.release(broken)
  }
}

function ignore(): void {}

async function isBrokenAfterRollback(client: PoolClient): Promise<boolean> {
  try {
    await client.query('rollback')
    return false
  } catch {
    return true // The connection is gone, and its transaction with it.
  }
}

/** Names of prepared statements by their text; there are as many as the program has. */
const names = new Map<string, string>()

function queryOf({ text, values }: Rendered): QueryConfig {
  let name = names.get(text)
  if (name === undefined) {
    name = `s${names.size}`
    names.set(text, name)
  }
  return { name, text, values, rowMode: 'array' }
}

/** The one place where a row's type is said instead of known: the statement and the caller's type are side by side. */
function resultOf<Rows>({ rows, fields, rowCount }: QueryResult): Result<Rows> {
  const columns = fields.map(({ name }) => camelOf(name))
  const objects = rows.map((row) => {
    const object: Record<string, unknown> = {}
    for (const [nth, column] of columns.entries()) object[column] = row[nth]
    return object
  })
  const count = { value: rowCount ?? objects.length }
  return Object.defineProperty(objects, 'count', count) as unknown as Result<Rows>
}

const camels = new Map<string, string>()

function camelOf(name: string): string {
  let camel = camels.get(name)
  if (camel === undefined) {
    camel = toCamel(name)
    camels.set(name, camel)
  }
  return camel
}

function getTypeParser(oid: number, format?: string): (text: string) => unknown {
  if (oid === OID_BIGINT) return safeInteger
  if (oid === OID_TIMESTAMPTZ) return Date.parse
  return types.getTypeParser(oid, format)
}

function safeInteger(text: string): number {
  const value = Number(text)
  assert(Number.isSafeInteger(value), `${text} is no safe integer`)
  return value
}
