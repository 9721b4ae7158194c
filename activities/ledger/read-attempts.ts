// What is known of each attempt's use.

import type { Attempt } from '../../domain/settlement.ts'
import type { Queries } from './database.ts'
import { attemptFrom, type AttemptFacts } from './read-use.ts'

/** In order; none where nothing was begun. */
export async function readAttempts(sql: Queries, requestId: string): Promise<readonly Attempt[]> {
  const rows = await sql<AttemptFacts[]>`
    select attempt, generation, use, consumed, cost from attempt where request_id = ${requestId} order by attempt`
  return rows.map(attemptFrom)
}
