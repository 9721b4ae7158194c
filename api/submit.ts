// An execution is asked for: started under its id, and told once it is admitted or refused.
//
// S1  An id that is known is never started again, unless it was refused: then it is judged anew.
// S2  Nothing is answered before the ledger has it: what is told is there.
// S3  Who says how long it would wait hears at once where even the earliest start is too late: the limiter's word is
//     waited for.

import { readClient } from '../activities/ledger/read-config.ts'
import { readBrief, type RequestBrief } from '../activities/ledger/read-request.ts'
import type { ExecutionAsk } from '../domain/ask.ts'
import { DECISION_TIMEOUT_MS, nowMs, type ApiContext } from './context.ts'
import { overTemporal } from './faults.ts'
import { mismatch } from './idempotency.ts'
import { problemOf, unavailable } from './problem.ts'

export type Submitted = { readonly record: RequestBrief; readonly isReplay: boolean }

/** The workflow of an earlier, refused try may be about to end when the id is tried again: started again this often. */
const RESTART_EVERY_MS = 500

/** Throws the refusal's problem, `idempotency-mismatch`, or `unavailable`: then the same id may be sent again. */
export async function submit(context: ApiContext, ask: ExecutionAsk): Promise<Submitted> {
  const { sql } = context
  const [before, client] = await Promise.all([
    readBrief(sql, ask.id, nowMs(context)),
    readClient(sql, ask.clientId),
  ])
  if (before !== null && before.state !== 'refused') {
    if (!isSame(before, ask)) throw mismatch(ask.id)
    return { record: before, isReplay: true }
  }
  const record = await start(context, ask, {
    tier: client?.tier ?? 'unknown',
    after: before?.generation ?? 0,
  })
  if (!isSame(record, ask)) throw mismatch(ask.id)
  const judged = mustHearWhetherInTime(ask, record) ? await limitersWord(context, record) : record
  if (judged.refusal !== null) throw problemOf(judged.refusal, ask.id)
  return { record: judged, isReplay: false }
}

/** S3. */
function mustHearWhetherInTime({ maxWaitMs }: ExecutionAsk, { state, position }: RequestBrief): boolean {
  return maxWaitMs !== null && state === 'waiting' && position === null
}

/** The request once the limiter has placed, granted or refused it, or as it is where that takes too long. */
async function limitersWord(context: ApiContext, admitted: RequestBrief): Promise<RequestBrief> {
  const { sql, announcements, decisionTimeoutMs = DECISION_TIMEOUT_MS } = context
  const placed = async () => {
    const record = await readBrief(sql, admitted.id, nowMs(context))
    return record !== null && (record.state !== 'waiting' || record.position !== null) ? record : null
  }
  return (await announcements.waitFor(admitted.id, placed, decisionTimeoutMs)) ?? admitted
}

async function start(
  context: ApiContext,
  ask: ExecutionAsk,
  { tier, after }: { readonly tier: string; readonly after: number },
): Promise<RequestBrief> {
  const { sql, announcements, temporal, decisionTimeoutMs = DECISION_TIMEOUT_MS } = context
  const judged = async () => {
    const record = await readBrief(sql, ask.id, nowMs(context))
    return record !== null && record.generation > after ? record : null
  }
  for (let waitedMs = 0; waitedMs < decisionTimeoutMs; waitedMs += RESTART_EVERY_MS) {
    const act = () => overTemporal(() => temporal.startRequest(ask, tier), ask.id)
    const record = await announcements.waitAfter(ask.id, act, { read: judged, timeoutMs: RESTART_EVERY_MS })
    if (record !== null) return record
  }
  throw unavailable('the request was started but is not admitted yet; the same id may be sent again', {
    requestId: ask.id,
  })
}

function isSame(record: RequestBrief, ask: ExecutionAsk): boolean {
  return record.kind === ask.kind && record.bodyHash === ask.bodyHash
}
