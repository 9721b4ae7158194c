// The part of `pg` that the ledger uses; the package brings no types of its own.

declare module 'pg' {
  import type { EventEmitter } from 'node:events'

  type TypeParser = (text: string) => unknown

  type QueryConfig = {
    readonly name?: string
    readonly text: string
    readonly values?: readonly unknown[]
    readonly rowMode?: 'array'
  }
  type QueryResult = {
    readonly command: string
    readonly rowCount: number | null
    readonly rows: readonly (readonly unknown[])[]
    readonly fields: readonly { readonly name: string }[]
  }
  type ClientConfig = {
    readonly connectionString: string
    readonly application_name?: string
    readonly connectionTimeoutMillis?: number
    readonly statement_timeout?: number
    readonly lock_timeout?: number
    readonly idle_in_transaction_session_timeout?: number
    readonly options?: string
    readonly keepAlive?: boolean
    readonly pipeline?: boolean
    readonly types?: { getTypeParser(oid: number, format?: string): TypeParser }
  }

  export class Client extends EventEmitter {
    constructor(config: ClientConfig)
    connect(): Promise<void>
    query(query: QueryConfig | string): Promise<QueryResult>
    end(): Promise<void>
  }
  export class PoolClient extends Client {
    release(destroy?: Error | boolean): void
  }
  export class Pool extends EventEmitter {
    constructor(config: ClientConfig & { readonly max: number })
    connect(): Promise<PoolClient>
    query(query: QueryConfig | string): Promise<QueryResult>
    end(): Promise<void>
  }
  export const types: { getTypeParser(oid: number, format?: string): TypeParser }
}
