// A transaction that may say no after it has written: then nothing of it stays.

import type { Refusal } from '../../domain/failure.ts'
import type { Sql, Transaction } from './database.ts'

type Refuse = (refusal: Refusal) => never

/** What `work` returns, committed; or the refusal that it gave, rolled back. */
export async function refusable<T>(
  sql: Sql,
  work: (tx: Transaction, refuse: Refuse) => Promise<T>,
): Promise<T | { readonly refusal: Refusal }> {
  let refusal: Refusal | null = null
  const refuse: Refuse = (given) => {
    refusal = given
    throw new Error(given.detail)
  }
  try {
    return await sql.begin((tx) => work(tx, refuse))
  } catch (error) {
    if (refusal !== null) return { refusal }
    throw error
  }
}
