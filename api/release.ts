// The end of a reservation: booked in the ledger, then given back at the limiter, then answered with what is left.
//
// L1  What the ledger has booked and the limiter has not confirmed is told to it again when the release is repeated.

import { readBrief } from '../activities/ledger/read-request.ts'
import { release as releaseInLedger, type Release, type Released } from '../activities/ledger/release.ts'
import { reservationKey } from '../domain/admission.ts'
import type { Demand } from '../domain/resource.ts'
import { availability } from '../limiter/view.ts'
import { nowMs, type ApiContext } from './context.ts'
import { overTemporal } from './faults.ts'

/** The release is booked by then: what is left is told from the published state instead. */
const LEFT_TIMEOUT_MS = 2_000

export type Left = Readonly<Record<string, number>>

/** What the ledger says, and what is left at the limiter where it was settled. */
export async function release(
  context: ApiContext,
  given: Release,
): Promise<{ readonly released: Released; readonly left: Left }> {
  const released = await releaseInLedger(context.sql, given, nowMs(context))
  if (released.kind !== 'settled') return { released, left: {} }
  const left = await settle(context, given.reservationId, released)
  return { released, left }
}

async function settle(
  context: ApiContext,
  requestId: string,
  { generation, settled, replayed }: Extract<Released, { kind: 'settled' }>,
): Promise<Left> {
  const told = async () => (await readBrief(context.sql, requestId, nowMs(context)))?.leftUnits ?? null
  if (replayed) {
    const before = await told()
    if (before !== null) return before
  }
  const id = reservationKey(requestId, generation)
  const act = () =>
    overTemporal(() => context.operations.send({ kind: 'settle', id, actual: settled }), requestId)
  const left = await context.announcements.waitAfter(requestId, act, {
    read: told,
    timeoutMs: LEFT_TIMEOUT_MS,
  })
  return left ?? (await leftInView(context, settled))
}

/** The limiter takes its time: as far as its published state knows. */
async function leftInView(context: ApiContext, settled: Demand): Promise<Left> {
  const state = await context.limiterView()
  const left = settled.flatMap(([id]) => availability(state, nowMs(context), id))
  return Object.fromEntries(left.map(({ id, available }) => [id, available]))
}
