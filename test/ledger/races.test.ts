// Many callers at once on the real database: exactly the right number pass, and the books agree afterwards.

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { admit } from '../../activities/ledger/admit.ts'
import { beginAttempt } from '../../activities/ledger/begin-attempt.ts'
import { checkLedger } from '../../activities/ledger/check.ts'
import { getBudgets } from '../../activities/ledger/get-budgets.ts'
import { putTier } from '../../activities/ledger/put-tier.ts'
import { readRequest } from '../../activities/ledger/read-request.ts'
import { recordAttempt } from '../../activities/ledger/record-attempt.ts'
import { recordEffects } from '../../activities/ledger/record-effects.ts'
import { release } from '../../activities/ledger/release.ts'
import { settleExecution } from '../../activities/ledger/settle-execution.ts'
import type { Ask } from '../../domain/ask.ts'
import type { Ending } from '../../domain/report.ts'
import type { Effect } from '../../limiter/effect.ts'
import * as f from './fixture.ts'

const CALLERS = 32
const done: Ending = { kind: 'completed', output: null, partial: false }

let ledger: f.Ledger
beforeAll(async () => {
  ledger = await f.openLedger()
})
afterEach(async () => {
  expect(await checkLedger(ledger.sql)).toEqual([])
})
afterAll(async () => {
  await ledger.close()
})

const times = <T>(count: number, make: (nth: number) => T): T[] =>
  Array.from({ length: count }, (_, nth) => make(nth))

async function admitAll(asks: readonly Ask[], atMs = f.NOON): Promise<Record<string, number>> {
  const kinds: Record<string, number> = {}
  for (const { kind } of await Promise.all(asks.map((ask) => admit(ledger.sql, ask, atMs))))
    kinds[kind] = (kinds[kind] ?? 0) + 1
  return kinds
}

describe('admission', () => {
  test('B2 [LL #18730, #34732]: a budget for 7 admits 7 of 32 at once, its first use included', async () => {
    await f.client(ledger.sql, { id: 'one' }, [f.hard('one', '0.07', { period: 'day' })])
    for (const day of times(3, (nth) => f.NOON + nth * 86_400_000)) {
      const asks = times(CALLERS, () => f.reservation({ clientId: 'one' }))
      expect(await admitAll(asks, day)).toEqual({ admitted: 7, refused: CALLERS - 7 })
    }
  })

  test('A1, B1: over a tree of scopes the tightest ancestor decides, without a deadlock', async () => {
    await f.client(ledger.sql, { id: 'tree' }, [
      f.hard('tree', 200),
      f.hard('tree', '0.20', { period: 'day' }),
    ])
    const scope = (session: string, swarm: string) => ({ session, swarm, run: null, step: null })
    for (const session of ['a', 'b']) {
      await f.putBudgets(ledger.sql, `tree/${session}`, [f.hard(`tree/${session}`, 120)])
      await f.putBudgets(ledger.sql, `tree/${session}/w`, [f.hard(`tree/${session}/w`, '0.05')])
    }
    const asks = times(CALLERS * 2, (nth) =>
      f.reservation({ clientId: 'tree', scope: scope(nth % 2 === 0 ? 'a' : 'b', nth % 4 < 2 ? 'w' : 'v') }),
    )
    expect(await admitAll(asks)).toEqual({ admitted: 20, refused: CALLERS * 2 - 20 })
  })

  test('[LL #40095] the first requests of a client share the budget of its tier', async () => {
    await putTier(ledger.sql, f.tier({ id: 'thin', monthlyBudgetUsd: '0.03' }), f.ACTOR)
    await f.client(ledger.sql, { id: 'fresh', tier: 'thin' })
    const asks = times(CALLERS, () => f.reservation({ clientId: 'fresh' }))
    expect(await admitAll(asks)).toEqual({ admitted: 3, refused: CALLERS - 3 })
  })

  test('A4: a day of 5 requests has 5', async () => {
    await f.client(ledger.sql, { id: 'five', dailyRequests: 5 })
    const asks = times(CALLERS, () => f.reservation({ clientId: 'five' }))
    expect(await admitAll(asks)).toEqual({ admitted: 5, refused: CALLERS - 5 })
  })

  test('A2: the same id at once is admitted once and held once', async () => {
    await f.client(ledger.sql, { id: 'same' }, [f.hard('same', '1')])
    for (const ask of times(10, () => f.reservation({ clientId: 'same' }))) {
      expect(await admitAll(times(8, () => ask))).toEqual({ admitted: 1, known: 7 })
    }
    expect(await getBudgets(ledger.sql, 'same', f.NOON)).toMatchObject([{ held: f.usd('0.1') }])
    // Without a budget nothing else keeps them apart.
    await f.client(ledger.sql, { id: 'same-free' })
    const free = f.reservation({ clientId: 'same-free' })
    expect(await admitAll(times(8, () => free))).toEqual({ admitted: 1, known: 7 })
  })

  test('A3, W2: a refused id tried again by many is admitted once', async () => {
    const ask = f.reservation({ clientId: 'not-yet' })
    expect(await admitAll(times(4, () => ask))).toMatchObject({ refused: expect.any(Number) })
    await f.client(ledger.sql, { id: 'not-yet' }, [f.hard('not-yet', '1')])
    expect(await admitAll(times(8, () => ask))).toEqual({ admitted: 1, known: 7 })
  })
})

describe('settlement', () => {
  async function executing(): Promise<string> {
    const ask = f.execution({ clientId: 'racer' })
    await admit(ledger.sql, ask, f.NOON)
    await recordEffects(ledger.sql, [f.granted(ask.id)])
    await beginAttempt(ledger.sql, ask.id, f.NOON)
    return ask.id
  }

  beforeAll(async () => {
    await f.client(ledger.sql, { id: 'racer' }, [f.hard('racer', '100')])
  })

  test('E1: completed, cancelled and expired at once: one wins, all hear the same, the report counts once', async () => {
    const endings: readonly Ending[] = [
      done,
      { kind: 'cancelled' },
      { kind: 'expired', error: { code: 'x', detail: '' } },
    ]
    for (const id of await Promise.all(times(8, executing))) {
      const use = { kind: 'reported', consumed: { [f.TOKENS]: 4 }, costNanoUsd: null } as const
      const all = await Promise.all([
        ...endings.map((ending) => settleExecution(ledger.sql, id, ending, f.NOON)),
        recordAttempt(ledger.sql, id, 1, use, f.NOON),
        settleExecution(ledger.sql, id, done, f.NOON),
      ])
      const states = all.flatMap((one) => ('state' in one ? [one.state] : []))
      expect(new Set(states).size).toBe(1)
      expect(await readRequest(ledger.sql, id, f.NOON)).toMatchObject({
        state: states[0],
        actualNanoUsd: f.usd('0.004'),
      })
    }
    expect(await getBudgets(ledger.sql, 'racer', f.NOON)).toMatchObject([{ held: 0, used: f.usd('0.032') }])
  })

  test('release, the end of the lease and a repeat at once: used once', async () => {
    await f.client(ledger.sql, { id: 'leaser' }, [f.hard('leaser', '100')])
    const asks = times(8, () => f.reservation({ clientId: 'leaser' }))
    await admitAll(asks)
    await recordEffects(
      ledger.sql,
      asks.map(({ id }) => f.granted(id)),
    )
    const given = (reservationId: string) =>
      ({
        reservationId,
        actual: { [f.TOKENS]: 5 },
        costNanoUsd: null,
        outcome: 'success',
        contentHash: 'h',
      }) as const
    await Promise.all(
      asks.flatMap(({ id }) => [
        release(ledger.sql, given(id), f.NOON),
        recordEffects(ledger.sql, [f.effect('lease-expired', id)]),
        release(ledger.sql, given(id), f.NOON),
      ]),
    )
    expect(await getBudgets(ledger.sql, 'leaser', f.NOON)).toMatchObject([{ held: 0, used: f.usd('0.04') }])
  })

  test('F1: the same batch of decisions at once, in any order, among admissions and releases', async () => {
    await f.client(ledger.sql, { id: 'batch' }, [f.hard('batch', '100')])
    const asks = times(60, () => f.reservation({ clientId: 'batch' }))
    await admitAll(asks)
    const grants: Effect[] = asks.map(({ id }) => f.granted(id))
    const endings: Effect[] = asks
      .filter((_, nth) => nth % 3 === 0)
      .map(({ id }) => f.effect('lease-expired', id))
    await Promise.all([
      recordEffects(ledger.sql, [...grants, ...endings]),
      recordEffects(ledger.sql, [...grants.toReversed(), ...endings]),
      recordEffects(ledger.sql, grants),
      admitAll(times(20, () => f.reservation({ clientId: 'batch' }))),
    ])
    expect(await getBudgets(ledger.sql, 'batch', f.NOON)).toMatchObject([{ held: f.usd('0.6'), used: 0 }])
  })
})
