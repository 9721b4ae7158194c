// What falls due without anybody asking: looked for every few seconds, in every process that has an API. Each step is
// idempotent, so that several processes do no harm.

import { forgetEvents } from '../activities/ledger/forget-events.ts'
import { rollUpUsage } from '../activities/ledger/roll-up-usage.ts'
import { learnUse } from '../activities/ledger/learn-use.ts'
import { settleUnknown } from '../activities/ledger/settle-unknown.ts'
import type { ApiContext } from '../api/context.ts'
import { resendLost } from '../api/resend.ts'

const EVERY_MS = 10_000

/** Returns what stops it; resolves when the round under way has ended. */
export function startSweep(context: ApiContext): () => Promise<void> {
  let round = Promise.resolve()
  const timer = setInterval(() => {
    round = round.then(() => sweep(context))
  }, EVERY_MS)
  return async () => {
    clearInterval(timer)
    await round
  }
}

/** Reservations that the limiter was never told of are sent again; use that nobody told is booked after its day; what
 * was used is learned from; events that are too old are forgotten. */
async function sweep(context: ApiContext): Promise<void> {
  const { sql, log } = context
  try {
    const sent = await resendLost(context)
    if (sent.length > 0) log.warn({ ids: sent }, 'reservations were sent to the limiter again')
    await learnUse(sql)
    const settled = await settleUnknown(sql, Date.now())
    await rollUpUsage(sql)
    await forgetEvents(sql, Date.now())
    if (settled.length > 0) log.warn({ ids: settled }, 'use that nobody told was booked as assumed')
  } catch (error) {
    log.warn({ err: error }, 'a sweep failed, the next one follows')
  }
}
