import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { admit } from '../../activities/ledger/admit.ts'
import { beginAttempt } from '../../activities/ledger/begin-attempt.ts'
import { checkLedger } from '../../activities/ledger/check.ts'
import { consume } from '../../activities/ledger/consume.ts'
import { costLines } from '../../activities/ledger/read-cost.ts'
import { getBudgets } from '../../activities/ledger/get-budgets.ts'
import { knownGrants, waitingReservations } from '../../activities/ledger/open-reservations.ts'
import { putResource } from '../../activities/ledger/put-resource.ts'
import { readAppliedVersion } from '../../activities/ledger/applied-version.ts'
import { readRequest } from '../../activities/ledger/read-request.ts'
import { recordEffects } from '../../activities/ledger/record-effects.ts'
import { release, type Release } from '../../activities/ledger/release.ts'
import { requeue } from '../../activities/ledger/requeue.ts'
import { settleUnknown, UNKNOWN_KEPT_MS } from '../../activities/ledger/settle-unknown.ts'
import type { ReservationAsk } from '../../domain/ask.ts'
import type { Effect } from '../../limiter/effect.ts'
import * as f from './fixture.ts'

let ledger: f.Ledger
beforeAll(async () => {
  ledger = await f.openLedger()
  await f.client(ledger.sql, { id: 'holder' }, [f.hard('holder', '100'), f.hard('holder', 100_000)])
  await putResource(ledger.sql, f.resource({ id: 'unpriced' }), f.ACTOR)
})
afterEach(async () => {
  expect(await checkLedger(ledger.sql)).toEqual([])
})
afterAll(async () => {
  await ledger.close()
})

async function holding(given: Partial<ReservationAsk> = {}): Promise<string> {
  const ask = f.reservation({ clientId: 'holder', ...given })
  expect(await admit(ledger.sql, ask, f.NOON)).toMatchObject({ kind: 'admitted' })
  await recordEffects(ledger.sql, [f.granted(ask.id)])
  return ask.id
}

function released(reservationId: string, given: Partial<Release> = {}): Release {
  return { reservationId, actual: null, costNanoUsd: null, outcome: 'success', contentHash: 'one', ...given }
}

async function money() {
  const [usd] = await getBudgets(ledger.sql, 'holder', f.NOON)
  return { used: usd?.used ?? 0, held: usd?.held ?? 0 }
}

describe('release', () => {
  test('R1: settles once; the same again is the same answer, other content a conflict', async () => {
    const id = await holding()
    const before = await money()
    const first = await release(ledger.sql, released(id, { actual: { [f.TOKENS]: 4 } }), f.NOON)
    const answer = {
      kind: 'settled',
      settled: [[f.TOKENS, 4]],
      costNanoUsd: f.usd('0.004'),
      late: false,
      generation: 1,
    }
    expect(first).toEqual({ ...answer, replayed: false })
    expect(await release(ledger.sql, released(id, { actual: { [f.TOKENS]: 4 } }), f.NOON)).toEqual({
      ...answer,
      replayed: true,
    })
    expect(await release(ledger.sql, released(id, { contentHash: 'two' }), f.NOON)).toMatchObject({
      kind: 'conflict',
    })
    const after = await money()
    expect([after.used - before.used, after.held - before.held]).toEqual([f.usd('0.004'), -f.usd('0.01')])
  })

  test('a missing actual is the reserved amount, an empty one is zero, a cost is taken as told', async () => {
    const whole = await release(ledger.sql, released(await holding()), f.NOON)
    expect(whole).toMatchObject({ settled: [[f.TOKENS, 10]], costNanoUsd: f.usd('0.01') })
    const zero = await release(ledger.sql, released(await holding(), { actual: {} }), f.NOON)
    expect(zero).toMatchObject({ settled: [], costNanoUsd: 0 })
    const told = await release(ledger.sql, released(await holding(), { costNanoUsd: f.usd('0.3') }), f.NOON)
    expect(told).toMatchObject({ costNanoUsd: f.usd('0.3') })
  })

  test('a holder that brought its cost and tells none pays what was held', async () => {
    const id = await holding({ resources: { unpriced: 5 }, costNanoUsd: f.usd('0.2') })
    expect(await release(ledger.sql, released(id), f.NOON)).toMatchObject({ costNanoUsd: f.usd('0.2') })
    expect(await costLines(ledger.sql, id)).toMatchObject([
      { kind: 'assumed', item: '*', costNanoUsd: f.usd('0.2') },
    ])
  })

  test('before the grant there is nothing to release', async () => {
    const ask = f.reservation({ clientId: 'holder' })
    await admit(ledger.sql, ask, f.NOON)
    expect(await release(ledger.sql, released(ask.id), f.NOON)).toEqual({
      kind: 'not-granted',
      state: 'waiting',
    })
    expect(await release(ledger.sql, released('nothing'), f.NOON)).toEqual({ kind: 'unknown' })
  })

  test('R2, D3, U1: unknown use keeps the hold until a later release, or for a day', async () => {
    const before = await money()
    const [later, never] = [await holding(), await holding()]
    for (const id of [later, never]) {
      expect(await release(ledger.sql, released(id, { outcome: 'unknown' }), f.NOON)).toMatchObject({
        kind: 'held',
      })
      // The end of the lease gives slots back, not the money.
      await recordEffects(ledger.sql, [f.effect('lease-expired', id, f.NOON + 60_000)])
    }
    expect((await money()).held).toBe(before.held + f.usd('0.02'))
    expect(
      await release(ledger.sql, released(later, { actual: { [f.TOKENS]: 1 } }), f.NOON + 1),
    ).toMatchObject({
      kind: 'settled',
      costNanoUsd: f.usd('0.001'),
      late: true,
    })
    expect(await settleUnknown(ledger.sql, f.NOON + UNKNOWN_KEPT_MS - 1)).toEqual([])
    expect(await settleUnknown(ledger.sql, f.NOON + UNKNOWN_KEPT_MS)).toEqual([never])
    expect(await readRequest(ledger.sql, never, f.NOON)).toMatchObject({
      isAssumed: true,
      actualNanoUsd: f.usd('0.01'),
    })
    expect(await money()).toEqual({ used: before.used + f.usd('0.011'), held: before.held })
    // Even then a report corrects it.
    await release(ledger.sql, released(never, { actual: { [f.TOKENS]: 2 } }), f.NOON + UNKNOWN_KEPT_MS + 5)
    expect((await money()).used).toBe(before.used + f.usd('0.003'))
  })

  test('R3: after the lease a report is taken once, as late', async () => {
    const before = await money()
    const id = await holding()
    await recordEffects(ledger.sql, [f.effect('lease-expired', id)])
    expect(await money()).toEqual(before)
    expect(await release(ledger.sql, released(id), f.NOON)).toMatchObject({
      kind: 'settled',
      late: true,
      replayed: false,
    })
    expect(await release(ledger.sql, released(id), f.NOON)).toMatchObject({
      kind: 'settled',
      late: true,
      replayed: true,
    })
    expect(await money()).toEqual({ used: before.used + f.usd('0.01'), held: before.held })
    expect(await readRequest(ledger.sql, id, f.NOON)).toMatchObject({ state: 'expired', isLate: true })
  })
})

describe('consume', () => {
  test('C1, C2, N1, F2: a running total that never falls is booked when the lease ends, and corrected by a release', async () => {
    const before = await money()
    const id = await holding()
    const tell = (tokens: number) =>
      consume(
        ledger.sql,
        { reservationId: id, consumed: { [f.TOKENS]: tokens }, costNanoUsd: null, extendMs: 5_000 },
        f.NOON,
      )
    expect(await tell(6)).toMatchObject({ kind: 'ok', leaseMs: 5_000, used: [[f.TOKENS, 6]] })
    expect(await tell(3)).toMatchObject({ kind: 'ok', used: [[f.TOKENS, 6]] })
    expect(await money()).toEqual({ used: before.used, held: before.held + f.usd('0.01') })
    await recordEffects(ledger.sql, [f.effect('lease-expired', id)])
    expect(await money()).toEqual({ used: before.used + f.usd('0.006'), held: before.held })
    expect(await tell(9)).toEqual({ kind: 'not-granted', state: 'expired' })
    await release(ledger.sql, released(id, { actual: { [f.TOKENS]: 8 } }), f.NOON)
    expect((await money()).used).toBe(before.used + f.usd('0.008'))
    expect(await costLines(ledger.sql, id)).toMatchObject([
      { kind: 'use', units: 6 },
      { kind: 'correction', units: 2 },
    ])
  })
})

describe('decisions of the limiter', () => {
  test('D1: delivered twice is once, and what it says is kept', async () => {
    const ask = f.reservation({ clientId: 'holder' })
    await admit(ledger.sql, ask, f.NOON)
    const queued: Effect = {
      kind: 'queued',
      id: `${ask.id}#1`,
      atMs: f.NOON,
      position: 3,
      etaMs: f.NOON + 9_000,
      waitingFor: { resourceId: f.TOKENS, limit: 0, needed: 10, available: 4, untilMs: null },
    }
    const batch: readonly Effect[] = [queued, f.granted(ask.id, f.NOON + 5)]
    await recordEffects(ledger.sql, [queued])
    expect(await readRequest(ledger.sql, ask.id, f.NOON)).toMatchObject({
      position: 3,
      etaMs: f.NOON + 9_000,
    })
    expect(await recordEffects(ledger.sql, batch)).toMatchObject([
      { requestId: ask.id, generation: 1, kind: 'reservation', announce: ask.id },
      { requestId: ask.id },
    ])
    const once = await readRequest(ledger.sql, ask.id, f.NOON)
    await recordEffects(ledger.sql, batch)
    expect(await readRequest(ledger.sql, ask.id, f.NOON)).toEqual(once)
    expect(once).toMatchObject({
      state: 'granted',
      position: null,
      grantedAtMs: f.NOON + 5,
      timeline: { length: 3 },
    })
  })

  test('D2: a rejected execution is refused and holds nothing; one that queued again is left to its workflow', async () => {
    const before = await money()
    const [fresh, again] = [f.execution({ clientId: 'holder' }), f.execution({ clientId: 'holder' })]
    await admit(ledger.sql, fresh, f.NOON)
    const admission = await admit(ledger.sql, again, f.NOON)
    if (admission.kind !== 'admitted') throw new Error('it was not admitted')
    const both = await money()
    await recordEffects(ledger.sql, [f.granted(again.id, f.NOON)])
    await beginAttempt(ledger.sql, again.id, f.NOON)
    await requeue(ledger.sql, { plan: admission.plan, notBeforeMs: null }, f.NOON)
    const rejection = { reason: 'queue-full', resourceId: f.TOKENS, size: 1, retryAfterMs: 700 } as const
    const rejected = (id: string): Effect => ({
      kind: 'rejected',
      id,
      atMs: f.NOON,
      rejection,
      configVersion: 9,
    })
    await recordEffects(ledger.sql, [rejected(`${fresh.id}#1`), rejected(`${again.id}#2`)])
    expect(await readRequest(ledger.sql, fresh.id, f.NOON)).toMatchObject({
      state: 'refused',
      refusal: { code: 'queue-full' },
    })
    expect(await readRequest(ledger.sql, again.id, f.NOON)).toMatchObject({ state: 'waiting', refusal: null })
    expect((await money()).held).toBe((before.held + both.held) / 2)
    expect(await admit(ledger.sql, fresh, f.NOON)).toMatchObject({
      kind: 'admitted',
      plan: { generation: 2 },
    })
  })

  test('D2: a rejected reservation is refused with its reason, gives all back, and its id may try again', async () => {
    const before = await money()
    const ask = f.reservation({ clientId: 'holder' })
    await admit(ledger.sql, ask, f.NOON)
    const rejected: Effect = {
      kind: 'rejected',
      id: `${ask.id}#1`,
      atMs: f.NOON,
      rejection: {
        reason: 'insufficient',
        blocking: { resourceId: f.TOKENS, limit: 0, needed: 10, available: 4, untilMs: null },
        retryAfterMs: 700,
      },
      configVersion: 9,
    }
    await recordEffects(ledger.sql, [rejected])
    expect(await readRequest(ledger.sql, ask.id, f.NOON)).toMatchObject({
      state: 'refused',
      decidedVersion: 9,
      refusal: {
        code: 'insufficient-resources',
        members: { resource: f.TOKENS, limit: 0, needed: 10, available: 4, retryAfterMs: 700 },
      },
    })
    expect(await money()).toEqual(before)
    expect(await admit(ledger.sql, ask, f.NOON)).toMatchObject({ kind: 'admitted', plan: { generation: 2 } })
    expect((await money()).held).toBe(before.held + f.usd('0.01'))
    expect(await checkLedger(ledger.sql)).toEqual([])
    expect(await readRequest(ledger.sql, ask.id, f.NOON)).toMatchObject({ heldNanoUsd: f.usd('0.01') })
    await recordEffects(ledger.sql, [f.granted(ask.id, f.NOON, 2)])
    expect(await release(ledger.sql, released(ask.id), f.NOON)).toMatchObject({
      kind: 'settled',
      generation: 2,
    })
  })

  test('one that timed out or was cancelled while it waited gives all back', async () => {
    const before = await money()
    const [a, b] = [f.reservation({ clientId: 'holder' }), f.reservation({ clientId: 'holder' })]
    await Promise.all([admit(ledger.sql, a, f.NOON), admit(ledger.sql, b, f.NOON)])
    const timedOut: Effect = { kind: 'timed-out', id: `${a.id}#1`, atMs: f.NOON, waitedFor: null }
    await recordEffects(ledger.sql, [timedOut, f.effect('cancelled', b.id)])
    expect(await readRequest(ledger.sql, a.id, f.NOON)).toMatchObject({
      state: 'expired',
      error: { code: 'max-wait' },
    })
    expect(await readRequest(ledger.sql, b.id, f.NOON)).toMatchObject({ state: 'cancelled' })
    expect(await money()).toEqual(before)
  })

  test('D2: of an execution nothing ends: its workflow is told', async () => {
    const ask = f.execution({ clientId: 'holder' })
    await admit(ledger.sql, ask, f.NOON)
    const timedOut: Effect = { kind: 'timed-out', id: `${ask.id}#1`, atMs: f.NOON, waitedFor: null }
    expect(await recordEffects(ledger.sql, [timedOut])).toMatchObject([{ kind: 'execution' }])
    expect(await readRequest(ledger.sql, ask.id, f.NOON)).toMatchObject({ state: 'waiting' })
  })

  test('settled, extended, configured and unknown ids', async () => {
    const id = await holding()
    const delivered = await recordEffects(ledger.sql, [
      { kind: 'extended', id: `${id}#1`, atMs: f.NOON, expiresAtMs: f.NOON + 99_000 },
      { kind: 'settled', id: `${id}#1`, atMs: f.NOON, left: { [f.TOKENS]: -5 }, late: false },
      { kind: 'configured', version: 4, atMs: f.NOON },
      { kind: 'cancelled', id: 'nobody#1', atMs: f.NOON },
    ])
    expect(delivered.map(({ kind, announce }) => [kind, announce])).toEqual([
      ['reservation', id],
      ['reservation', id],
      ['unknown', 'config:4'],
      ['unknown', 'nobody'],
    ])
    expect(await readRequest(ledger.sql, id, f.NOON)).toMatchObject({
      expiresAtMs: f.NOON + 99_000,
      leftUnits: { [f.TOKENS]: -5 },
    })
    expect(await readAppliedVersion(ledger.sql)).toBe(4)
  })
})

test('O1, O2: a cold start knows leases that run, recent use, and who waits in order', async () => {
  const other = await f.openLedger()
  const ask = (given: Partial<ReservationAsk> = {}) => f.reservation({ maxWaitMs: null, ...given })
  const [old, ended, running, first, second] = [ask(), ask(), ask(), ask(), ask({ urgency: 'high' })]
  await admit(other.sql, old, f.NOON - 700_000)
  for (const one of [ended, running, first]) await admit(other.sql, one, f.NOON)
  await admit(other.sql, second, f.NOON + 1)
  await recordEffects(other.sql, [
    f.granted(old.id, f.NOON - 600_000),
    f.granted(running.id, f.NOON - 1_000),
    f.granted(ended.id, f.NOON - 2_000),
  ])
  await release(other.sql, released(old.id), f.NOON - 500_000)
  await release(other.sql, released(ended.id, { actual: { [f.TOKENS]: 2 } }), f.NOON)
  expect(await knownGrants(other.sql, f.NOON)).toMatchObject([
    {
      kind: 'adopt',
      id: `${ended.id}#1`,
      demand: [[f.TOKENS, 2]],
      grantedAtMs: f.NOON - 2_000,
      expiresAtMs: null,
    },
    { kind: 'adopt', id: `${running.id}#1`, demand: [[f.TOKENS, 10]], expiresAtMs: f.NOON + 59_000 },
  ])
  expect(await waitingReservations(other.sql, f.NOON + 5)).toMatchObject([
    { kind: 'reserve', id: `${first.id}#1`, atMs: f.NOON + 5, enqueuedAtMs: f.NOON, leaseMs: 60_000 },
    { id: `${second.id}#1`, urgency: 'high' },
  ])
  await other.close()
})
