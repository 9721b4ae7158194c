// A reservation without a worker: admitted here, decided by the limiter, told by the ledger.
//
// V1  What the ledger has admitted and the limiter has not answered is sent again when the id comes again: the
//     limiter knows its own ids, twice is once.

import { admit } from '../activities/ledger/admit.ts'
import { readBrief, type RequestBrief } from '../activities/ledger/read-request.ts'
import { reserveOperation } from '../activities/request-activities.ts'
import type { Plan } from '../domain/admission.ts'
import type { ReservationAsk } from '../domain/ask.ts'
import { nowMs, type ApiContext } from './context.ts'
import { overTemporal } from './faults.ts'
import { mismatch } from './idempotency.ts'
import { problemOf, unavailable } from './problem.ts'
import type { Submitted } from './submit.ts'
import { decided } from './wait.ts'

/** Throws the refusal's problem, `idempotency-mismatch`, or `unavailable`: then the same id may be sent again. */
export async function reserve(context: ApiContext, ask: ReservationAsk): Promise<Submitted> {
  const admission = await admit(context.sql, ask, nowMs(context))
  switch (admission.kind) {
    case 'refused':
      throw problemOf(admission.refusal, ask.id)
    case 'admitted':
      return { record: await limitersWord(context, admission.plan), isReplay: false }
    case 'known': {
      if (!admission.sameBody) throw mismatch(ask.id)
      const record = await answered(context, ask.id)
      if (record !== null) return { record: grantedOrThrow(record), isReplay: true }
      if (admission.plan === null)
        throw unavailable('the reservation has no answer yet', { requestId: ask.id })
      return { record: await limitersWord(context, admission.plan), isReplay: true }
    }
    default:
      return admission satisfies never
  }
}

async function limitersWord(context: ApiContext, plan: Plan): Promise<RequestBrief> {
  const { requestId } = plan
  const record = await decided(context, requestId, {
    act: () => overTemporal(() => context.operations.send(reserveOperation(plan)), requestId),
    read: () => answered(context, requestId),
  })
  if (record !== null) return grantedOrThrow(record)
  throw unavailable('the limiter has not answered yet; the same id may be sent again', { requestId })
}

/** The reservation once the limiter has placed, granted or ended it. */
async function answered(context: ApiContext, id: string): Promise<RequestBrief | null> {
  const record = await readBrief(context.sql, id, nowMs(context))
  return record !== null && (record.state !== 'waiting' || record.position !== null) ? record : null
}

function grantedOrThrow(record: RequestBrief): RequestBrief {
  if (record.refusal !== null) throw problemOf(record.refusal, record.id)
  return record
}
