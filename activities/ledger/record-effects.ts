// Writes a batch of the limiter's decisions: one transaction, a constant number of statements, safe to run twice.
//
// F1  Rows are locked in the order of their ids; each decision is applied to what the one before it left.
// F2  What ends a reservation books what its holder told so far and gives its holds back, in the same transaction.

import { fromReservationKey } from '../../domain/admission.ts'
import { isFinal, type RequestKind } from '../../domain/request.ts'
import type { Effect } from '../../limiter/effect.ts'
import { applyEffect, type Applied, type Decided, type EffectOnOne } from './apply-effect.ts'
import { writeAppliedVersion } from './applied-version.ts'
import type { Sql, Transaction } from './database.ts'
import { endReservations } from './end-reservations.ts'
import { jsonb, timestamp } from './statement.ts'
import { takeBackAdmissions } from './usage.ts'

export type DeliveredTo = {
  readonly effect: Effect
  readonly requestId: string
  readonly generation: number
  readonly kind: RequestKind | 'unknown'
  /** The name under which the change is announced. */
  readonly announce: string
}

export async function recordEffects(sql: Sql, effects: readonly Effect[]): Promise<readonly DeliveredTo[]> {
  const named = effects.filter((effect): effect is EffectOnOne => 'id' in effect)
  const kinds = await sql.begin(async (tx) => {
    const versions = effects.map((effect) => (effect.kind === 'configured' ? effect.version : 0))
    const version = Math.max(0, ...versions)
    if (version > 0) await writeAppliedVersion(tx, version)
    return named.length === 0 ? new Map<string, RequestKind>() : await recordNamed(tx, named)
  })
  return effects.map((effect) => {
    if (!('id' in effect)) {
      const announce = effect.kind === 'configured' ? `config:${effect.version}` : effect.kind
      return { effect, requestId: '', generation: 0, kind: 'unknown', announce }
    }
    const { requestId, generation } = fromReservationKey(effect.id)
    return { effect, requestId, generation, kind: kinds.get(requestId) ?? 'unknown', announce: requestId }
  })
}

type Recorded = NonNullable<Applied['event']> & { readonly requestId: string }

/** The kinds of the requests, by id. */
async function recordNamed(
  tx: Transaction,
  effects: readonly EffectOnOne[],
): Promise<Map<string, RequestKind>> {
  const rows = await lock(tx, [...new Set(effects.map(({ id }) => fromReservationKey(id).requestId))])
  const before = new Map(rows.map((row) => [row.id, row]))
  const after = new Map(before)
  const events: Recorded[] = []
  for (const effect of effects) {
    const { requestId, generation } = fromReservationKey(effect.id)
    const row = after.get(requestId)
    if (row === undefined || row.generation !== generation) continue
    const applied = applyEffect(row, effect)
    if (applied === null) continue
    after.set(requestId, applied.row)
    if (applied.event !== null) events.push({ ...applied.event, requestId })
  }
  const changed = [...after.values()].filter((row) => row !== before.get(row.id))
  if (changed.length > 0) await write(tx, changed, events)
  const ended = changed.filter(({ id, state }) => isFinal(state) && !isFinal(before.get(id)?.state ?? state))
  const refused = ended.filter(({ state }) => state === 'refused').map(({ id }) => id)
  if (refused.length > 0) await takeBackAdmissions(tx, refused)
  const toEnd = ended.filter(({ outcome }) => outcome !== 'unknown')
  if (toEnd.length > 0) await endReservations(tx, toEnd)
  return new Map(rows.map(({ id, kind }) => [id, kind]))
}

async function lock(tx: Transaction, ids: readonly string[]): Promise<readonly Decided[]> {
  return await tx<Decided[]>`
    select id, kind, state, generation, admission, outcome, position, eta, waiting_for, waited_for,
           decided_version, granted_at, start_by, expires_at, left_units, is_late, ended_at, error, refusal
    from request
    where id = any (${ids as string[]})
    order by id
    for no key update`
}

async function write(tx: Transaction, rows: readonly Decided[], events: readonly Recorded[]): Promise<void> {
  const time = (atMs: number | null) => (atMs === null ? null : timestamp(atMs))
  const columns = rows.map((row) => ({
    ...row,
    eta: time(row.eta),
    grantedAt: time(row.grantedAt),
    startBy: time(row.startBy),
    expiresAt: time(row.expiresAt),
    endedAt: time(row.endedAt),
  }))
  const recorded = events.map((event, nth) => ({ ...event, nth, at: timestamp(event.atMs) }))
  await tx`
    with events as (
      insert into event (request_id, state, at, detail)
      select "requestId", state, at, nullif(detail, 'null')
      from jsonb_to_recordset(${jsonb(recorded)}) as e
        (nth integer, "requestId" text, state text, at timestamptz, detail jsonb)
      order by nth
    )
    update request r
    set state = d.state, position = d.position, eta = d.eta,
        waiting_for = nullif(d."waitingFor", 'null'), waited_for = nullif(d."waitedFor", 'null'),
        decided_version = d."decidedVersion", granted_at = d."grantedAt", start_by = d."startBy",
        expires_at = d."expiresAt", left_units = nullif(d."leftUnits", 'null'), is_late = d."isLate",
        ended_at = d."endedAt", error = nullif(d.error, 'null'), refusal = nullif(d.refusal, 'null')
    from jsonb_to_recordset(${jsonb(columns)}) as d
      (id text, state text, position integer, eta timestamptz, "waitingFor" jsonb, "waitedFor" jsonb,
       "decidedVersion" bigint, "grantedAt" timestamptz, "startBy" timestamptz, "expiresAt" timestamptz,
       "leftUnits" jsonb, "isLate" boolean, "endedAt" timestamptz, error jsonb, refusal jsonb)
    where r.id = d.id`
}
