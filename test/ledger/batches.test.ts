// Requests that come together: one transaction, and for each the same as alone.

import fc from 'fast-check'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { admit } from '../../activities/ledger/admit.ts'
import { beginAttempt } from '../../activities/ledger/begin-attempt.ts'
import { checkLedger } from '../../activities/ledger/check.ts'
import { Coalescer, WAITING_MAX } from '../../activities/ledger/coalescer.ts'
import { getBudgets } from '../../activities/ledger/get-budgets.ts'
import { putResource } from '../../activities/ledger/put-resource.ts'
import { readRequest } from '../../activities/ledger/read-request.ts'
import { recordEffects } from '../../activities/ledger/record-effects.ts'
import { release } from '../../activities/ledger/release.ts'
import { settleEnded } from '../../activities/ledger/settle-execution.ts'
import type { Ask } from '../../domain/ask.ts'
import type { AttemptUse, Ending } from '../../domain/report.ts'
import * as f from './fixture.ts'

const MIDNIGHT = Date.parse('2026-11-22T00:00:00.000Z')

const ledger = await f.openLedger()
const { sql } = ledger
afterEach(async () => {
  expect(await checkLedger(sql)).toEqual([])
})
afterAll(async () => {
  await ledger.close()
})

const together = async (asks: readonly Ask[], atMs: number | ((nth: number) => number) = f.NOON) =>
  await Promise.all(asks.map((ask, nth) => admit(sql, ask, typeof atMs === 'number' ? atMs : atMs(nth))))

const kindsOf = async (...given: Parameters<typeof together>) =>
  (await together(...given)).map((one) => (one.kind === 'refused' ? one.refusal.code : one.kind))

describe('the coalescer', () => {
  /** Batches as they were sent; each waits until it is let go. */
  function stand(given: { readonly batchMax?: number; readonly inFlightMax?: number } = {}) {
    const sent: (readonly string[])[] = []
    const gates: (() => void)[] = []
    const coalescer = new Coalescer<string, string>({
      keyOf: (asked) => asked.slice(0, 1),
      batchMax: 3,
      inFlightMax: 1,
      ...given,
      async run(batch) {
        sent.push(batch)
        await new Promise<void>((resolve) => gates.push(resolve))
        if (batch.includes('bad')) throw new Error('bad')
        return batch.map((one) => one.toUpperCase())
      },
    })
    const turn = () => new Promise((resolve) => setImmediate(resolve))
    const letGo = async () => {
      for (const open of gates.splice(0)) open()
      await turn()
      await turn()
    }
    return { coalescer, sent, letGo, turn }
  }

  test('C1: what is asked in one turn goes together, what comes meanwhile with the next', async () => {
    const { coalescer, sent, letGo, turn } = stand()
    const first = [coalescer.submit('a'), coalescer.submit('b')]
    await turn()
    const second = [coalescer.submit('c'), coalescer.submit('d')]
    await turn()
    expect(sent).toEqual([['a', 'b']])
    await letGo()
    expect(await Promise.all(first)).toEqual(['A', 'B'])
    expect(sent).toEqual([
      ['a', 'b'],
      ['c', 'd'],
    ])
    await letGo()
    expect(await Promise.all(second)).toEqual(['C', 'D'])
  })

  test('C2: at most so many, and no two of one key at once', async () => {
    const { coalescer, sent, letGo, turn } = stand({ inFlightMax: 2 })
    const all = ['a1', 'a2', 'b', 'c', 'd'].map((one) => coalescer.submit(one))
    await turn()
    expect(sent).toEqual([['a1', 'b', 'c'], ['d']])
    await letGo()
    expect(sent[2]).toEqual(['a2'])
    await letGo()
    expect(await Promise.all(all)).toEqual(['A1', 'A2', 'B', 'C', 'D'])
  })

  test('C3: one that fails fails alone', async () => {
    const { coalescer, letGo, turn } = stand()
    const all = Promise.allSettled(['a', 'bad', 'c'].map((one) => coalescer.submit(one)))
    await turn()
    await letGo()
    await letGo()
    expect((await all).map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  })

  test('C4: one more than may wait fails', async () => {
    const { coalescer } = stand()
    for (let nth = 0; nth < WAITING_MAX; nth += 1) void coalescer.submit('a')
    await expect(coalescer.submit('a')).rejects.toThrow('wait for the ledger already')
  })
})

describe('a batch of admissions', () => {
  test('refusals among them change nothing for those behind them', async () => {
    await f.client(sql, { id: 'mixed' }, [f.hard('mixed', 25)])
    const units = (id: string, tokens: number) =>
      f.reservation({ id, clientId: 'mixed', resources: { [f.TOKENS]: tokens } })
    const asks = [
      units('mixed-1', 20),
      f.reservation({ clientId: 'nobody' }),
      units('mixed-2', 10),
      f.reservation({ clientId: 'mixed', resources: { none: 1 } }),
      units('mixed-3', 5),
      f.execution({ clientId: 'mixed', worker: 'nobody' }),
    ]
    expect(await kindsOf(asks)).toEqual([
      'admitted',
      'unknown-client',
      'budget-exceeded',
      'unknown-resource',
      'admitted',
      'unknown-worker',
    ])
    expect(await getBudgets(sql, 'mixed', f.NOON)).toMatchObject([{ held: 25, remaining: 0 }])
  })

  test('names that every object has are names like others', async () => {
    const asks = ['constructor', '__proto__', 'toString'].map((clientId) => f.reservation({ clientId }))
    expect(await kindsOf(asks)).toEqual(['unknown-client', 'unknown-client', 'unknown-client'])
    expect(await kindsOf([f.reservation({ resources: { valueOf: 1 } })])).toEqual(['unknown-resource'])
  })

  test('A5, C3, W1: a row that Postgres does not take fails alone, and leaves nothing', async () => {
    await f.client(sql, { id: 'rows' }, [f.hard('rows', 100)])
    const bad = f.execution({ clientId: 'rows', input: { text: '\u0000' } })
    const good = [1, 2, 3].map(() => f.execution({ clientId: 'rows' }))
    const [first, ...others] = await Promise.allSettled([bad, ...good].map((ask) => admit(sql, ask, f.NOON)))
    expect(first).toMatchObject({ status: 'rejected' })
    expect(others).toMatchObject(good.map(() => ({ status: 'fulfilled', value: { kind: 'admitted' } })))
    expect(await getBudgets(sql, 'rows', f.NOON)).toMatchObject([{ held: 30 }])
    expect(await sql`select from request where id = ${bad.id}`).toHaveLength(0)
  })

  test('the same id twice in it is admitted once, and the second one hears so', async () => {
    await f.client(sql, { id: 'twice' }, [f.hard('twice', 100)])
    const ask = f.reservation({ clientId: 'twice' })
    const other = { ...ask, bodyHash: 'other' }
    expect(await together([ask, ask, other])).toMatchObject([
      { kind: 'admitted' },
      { kind: 'known', sameBody: true },
      { kind: 'known', sameBody: false },
    ])
    expect(await getBudgets(sql, 'twice', f.NOON)).toMatchObject([{ held: 10 }])
  })

  test('before and after midnight in one batch are held in their own days', async () => {
    const daily = { period: 'day' } as const
    await f.client(sql, { id: 'night', dailyRequests: 3 }, [f.hard('night', 20, daily)])
    const asks = Array.from({ length: 8 }, () => f.reservation({ clientId: 'night' }))
    const kinds = await kindsOf(asks, (nth) => (nth % 2 === 0 ? MIDNIGHT - 1 : MIDNIGHT))
    expect(kinds.filter((kind) => kind === 'admitted')).toHaveLength(4)
    expect(await getBudgets(sql, 'night', MIDNIGHT - 1)).toMatchObject([{ held: 20 }])
    expect(await getBudgets(sql, 'night', MIDNIGHT)).toMatchObject([{ held: 20 }])
  })

  test('Q1: a day of 3 requests takes 3 of a batch, a queue of 2 takes 2', async () => {
    await f.client(sql, { id: 'days', dailyRequests: 3 })
    const asks = Array.from({ length: 6 }, () => f.reservation({ clientId: 'days' }))
    expect((await kindsOf(asks)).filter((kind) => kind === 'admitted')).toHaveLength(3)
    await putResource(sql, f.resource({ id: 'narrow', maxQueue: 2 }), f.ACTOR)
    await f.price(sql, 'narrow', '0')
    const queued = Array.from({ length: 5 }, () => f.reservation({ resources: { narrow: 1 } }))
    expect(await kindsOf(queued)).toEqual(['admitted', 'admitted', 'queue-full', 'queue-full', 'queue-full'])
  })

  test('I1: it decides what one after the other decides, over random trees', async () => {
    let trees = 0
    const asked = fc.record({
      leaf: fc.nat(2),
      units: fc.integer({ min: 1, max: 30 }),
      day: fc.nat(1),
    })
    const amounts = fc.tuple(...[0, 1, 2].map(() => fc.integer({ min: 10, max: 120 })))
    await fc.assert(
      fc.asyncProperty(amounts, fc.array(asked, { minLength: 2, maxLength: 20 }), async (sizes, all) => {
        trees += 1
        const verdicts: string[][] = []
        for (const way of ['batch', 'alone']) {
          const clientId = `${way}-${trees}`
          await f.client(sql, { id: clientId })
          const scopes = [clientId, `${clientId}/s`, `${clientId}/s/w`]
          for (const [nth, scope] of scopes.entries()) {
            const budget = f.hard(scope, sizes[nth] ?? 0, { period: 'day' })
            const overage = { graceMs: 1_000, overageMultiplier: '1.5', overageMax: 20 } as const
            const kept = nth === 1 ? ({ ...budget, enforcement: 'soft', ...overage } as const) : budget
            await f.putBudgets(sql, scope, [kept])
          }
          const asks = all.map(({ leaf, units }) => {
            const session = leaf > 0 ? 's' : null
            const scope = { session, swarm: leaf > 1 ? 'w' : null, run: null, step: null }
            return f.reservation({ clientId, scope, resources: { [f.TOKENS]: units } })
          })
          const at = (nth: number) => f.NOON + (all[nth]?.day ?? 0) * 86_400_000
          const kinds: string[] = []
          if (way === 'batch') kinds.push(...(await kindsOf(asks, at)))
          else for (const [nth, ask] of asks.entries()) kinds.push(...(await kindsOf([ask], at(nth))))
          verdicts.push(kinds)
        }
        expect(verdicts[0]).toEqual(verdicts[1])
      }),
      { numRuns: 10 },
    )
  })
})

describe('a batch of releases', () => {
  test('R4: known and unknown, first and late, each has its own answer', async () => {
    await f.client(sql, { id: 'free' }, [f.hard('free', '10')])
    const asks = Array.from({ length: 5 }, () => f.reservation({ clientId: 'free' }))
    const [one, late, unsure, waiting, twice] = asks.map(({ id }) => id)
    if (!one || !late || !unsure || !waiting || !twice) throw new Error('five were asked')
    await together(asks)
    await recordEffects(
      sql,
      [one, late, unsure, twice].map((id) => f.granted(id)),
    )
    await recordEffects(sql, [f.effect('lease-expired', late)])
    const tell = (reservationId: string, outcome: 'success' | 'unknown' = 'success') =>
      release(
        sql,
        { reservationId, actual: { [f.TOKENS]: 4 }, costNanoUsd: null, outcome, contentHash: outcome },
        f.NOON,
      )
    const answers = await Promise.all([
      tell(one),
      tell(late),
      tell(unsure, 'unknown'),
      tell(waiting),
      tell('nobody'),
      tell(twice),
      tell(twice),
    ])
    expect(answers).toMatchObject([
      { kind: 'settled', costNanoUsd: f.usd('0.004'), late: false },
      { kind: 'settled', costNanoUsd: f.usd('0.004'), late: true },
      { kind: 'held' },
      { kind: 'not-granted', state: 'waiting' },
      { kind: 'unknown' },
      { kind: 'settled', replayed: false },
      { kind: 'settled', replayed: true },
    ])
    expect(await getBudgets(sql, 'free', f.NOON)).toMatchObject([
      { used: f.usd('0.012'), held: f.usd('0.02') },
    ])
    expect(await readRequest(sql, late, f.NOON)).toMatchObject({ state: 'expired', isLate: true })
  })
})

describe('a batch of endings', () => {
  test('E4: reported, unknown, never called, ended before and unheard of, each has its own answer', async () => {
    await f.client(sql, { id: 'doer' }, [f.hard('doer', '10')])
    const asks = Array.from({ length: 4 }, () => f.execution({ clientId: 'doer' }))
    const [reported, unknown, uncalled, before] = asks.map(({ id }) => id)
    if (!reported || !unknown || !uncalled || !before) throw new Error('four were asked')
    await together(asks)
    await recordEffects(
      sql,
      [reported, unknown, before].map((id) => f.granted(id)),
    )
    for (const id of [reported, unknown, before]) await beginAttempt(sql, id, f.NOON)
    const used = (tokens: number): AttemptUse => ({
      attempt: 1,
      use: { kind: 'reported', consumed: { [f.TOKENS]: tokens }, costNanoUsd: null },
    })
    const end = (requestId: string, attempt: AttemptUse | null, ending: Ending = done) =>
      settleEnded(sql, { requestId, ending, attempt }, f.NOON).catch((error: Error) => error.message)
    await end(before, used(2))

    const answers = await Promise.all([
      end(reported, used(4)),
      end(unknown, null, { kind: 'failed', error: { code: 'x', detail: 'y' } }),
      end(uncalled, null, { kind: 'cancelled' }),
      end(before, used(9), { kind: 'cancelled' }),
      end('nobody', null),
    ])
    expect(answers).toMatchObject([
      { state: 'completed', costNanoUsd: f.usd('0.004'), actual: [[f.TOKENS, 4]], alreadyEnded: false },
      { state: 'failed', actual: [[f.TOKENS, 10]], alreadyEnded: false },
      { state: 'cancelled', costNanoUsd: 0, actual: [], wasGranted: false },
      { state: 'completed', costNanoUsd: f.usd('0.002'), alreadyEnded: true },
      'there is no execution nobody',
    ])
    expect(await readRequest(sql, reported, f.NOON)).toMatchObject({ output: { said: 'so' }, attempts: 1 })
    expect(await readRequest(sql, unknown, f.NOON)).toMatchObject({ isAssumed: true, output: null })
    expect((await getBudgets(sql, 'doer', f.NOON)).map(({ held }) => held)).toEqual([0])
  })
})

const done: Ending = { kind: 'completed', output: { said: 'so' }, partial: false }
