// A request is stopped: by its workflow where it has one, by the limiter where it is a reservation.

import { reservationKey } from '../domain/admission.ts'
import { isFinal } from '../domain/request.ts'
import { readBrief, type RequestBrief } from '../activities/ledger/read-request.ts'
import { settleExecution } from '../activities/ledger/settle-execution.ts'
import { nowMs, type ApiContext } from './context.ts'
import { overTemporal } from './faults.ts'
import { decided } from './wait.ts'

/** Asks a request to stop; resolves when that is durable, not when it has stopped. */
export async function askToStop(context: ApiContext, record: RequestBrief): Promise<void> {
  const { operations, temporal } = context
  const id = reservationKey(record.id, record.generation)
  await overTemporal(async () => {
    if (record.kind === 'reservation') await operations.send({ kind: 'cancel', id })
    else if (!(await temporal.cancelRequest(record.id))) await endWithoutWorkflow(context, record.id)
  }, record.id)
}

/** A waiting request after it was asked to stop: ended, or granted in the same moment; null where that takes too long. */
export async function stopWaiting(context: ApiContext, record: RequestBrief): Promise<RequestBrief | null> {
  return await decided(context, record.id, {
    act: () => askToStop(context, record),
    read: async () => {
      const after = await readBrief(context.sql, record.id, nowMs(context))
      if (after === null || isFinal(after.state)) return after
      return record.kind === 'reservation' && after.state === 'granted' ? after : null
    },
  })
}

/** An operator ended the workflow: what it would have settled is settled here. */
async function endWithoutWorkflow(
  { sql, operations, clock = Date.now }: ApiContext,
  requestId: string,
): Promise<void> {
  const settlement = await settleExecution(sql, requestId, { kind: 'cancelled' }, clock())
  const id = reservationKey(requestId, settlement.generation)
  if (!settlement.wasGranted) await operations.send({ kind: 'cancel', id })
  await operations.send({ kind: 'settle', id, actual: settlement.actual })
}
