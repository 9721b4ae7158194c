// Reservations that the limiter has forgotten, though their time is over.
//
// E1  They end as the limiter would have ended them. One that waits is cancelled there too, so that it is never granted.

import { overdueReservations } from '../ledger/overdue.ts'
import { recordEffects } from '../ledger/record-effects.ts'
import type { ActivityContext } from '../request-activities.ts'

/** The ids of those that ended. */
export async function endOverdue(
  { sql, operations, announcements }: ActivityContext,
  nowMs: number,
): Promise<readonly string[]> {
  const effects = await overdueReservations(sql, nowMs)
  if (effects.length === 0) return []
  const delivered = await recordEffects(sql, effects)
  const ids = delivered.map(({ requestId }) => requestId)
  await announcements.announce(ids)
  const waited = effects.filter((effect) => effect.kind === 'timed-out')
  await Promise.all(waited.map(({ id }) => operations.send({ kind: 'cancel', id })))
  return ids
}
