// The history of usage beside the requests that made it.

import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { admit } from '../../activities/ledger/admit.ts'
import { beginAttempt } from '../../activities/ledger/begin-attempt.ts'
import { checkLedger } from '../../activities/ledger/check.ts'
import { makePartitions } from '../../activities/ledger/partitions.ts'
import { currentUsage } from '../../activities/ledger/read-usage.ts'
import { recordAttempt } from '../../activities/ledger/record-attempt.ts'
import { recordEffects } from '../../activities/ledger/record-effects.ts'
import { release } from '../../activities/ledger/release.ts'
import { rollUpUsage } from '../../activities/ledger/roll-up-usage.ts'
import { settleExecution } from '../../activities/ledger/settle-execution.ts'
import { reportUsage, type UsageGroup, type UsageQuery } from '../../activities/ledger/usage-report.ts'
import { usageLines } from '../../activities/ledger/usage-lines.ts'
import { NO_SCOPE } from '../../domain/scope.ts'
import * as f from './fixture.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const MODEL_TOKENS = 'openai/gpt-4/tokens'

const ledger = await f.openLedger()
const { sql } = ledger
await f.price(sql, MODEL_TOKENS, '0.002')
afterAll(async () => {
  await ledger.close()
})

async function report(clientId: string, groupBy: UsageGroup, more: Partial<UsageQuery> = {}) {
  const span = { fromMs: f.NOON - 40 * DAY_MS, toMs: f.NOON + 40 * DAY_MS }
  return await reportUsage(sql, { clientId, groupBy, after: null, limit: 100, ...span, ...more })
}

/** An execution that used `consumed`, told at `atMs` and settled then. */
async function used(clientId: string, consumed: Record<string, number>, atMs: number, more = {}) {
  const ask = f.execution({ clientId, ...more })
  await admit(sql, ask, atMs)
  await recordEffects(sql, [f.granted(ask.id, atMs)])
  await beginAttempt(sql, ask.id, atMs)
  await recordAttempt(sql, ask.id, 1, { kind: 'reported', consumed, costNanoUsd: null }, atMs)
  await settleExecution(sql, ask.id, { kind: 'completed', output: null, partial: false }, atMs)
  return ask.id
}

describe('groups', () => {
  const groups: Record<UsageGroup, readonly object[]> = {
    day: [
      { key: '2026-11-21', requests: 2, units: { [f.TOKENS]: 10 }, costNanoUsd: f.usd('0.01') },
      {
        key: '2026-11-22',
        requests: 1,
        units: { [MODEL_TOKENS]: 4 },
        costNanoUsd: f.usd('0.008'),
      },
    ],
    resource: [
      { key: f.TOKENS, requests: null, units: { [f.TOKENS]: 10 }, costNanoUsd: f.usd('0.01') },
      { key: MODEL_TOKENS, requests: null, units: { [MODEL_TOKENS]: 4 }, costNanoUsd: f.usd('0.008') },
    ],
    model: [
      { key: '', requests: null, units: { [f.TOKENS]: 10 }, costNanoUsd: f.usd('0.01') },
      { key: 'gpt-4', requests: null, units: { [MODEL_TOKENS]: 4 }, costNanoUsd: f.usd('0.008') },
    ],
    template: [
      {
        key: '',
        requests: 3,
        units: { [f.TOKENS]: 10, [MODEL_TOKENS]: 4 },
        costNanoUsd: f.usd('0.018'),
      },
    ],
    worker: [
      {
        key: 'echo',
        requests: 3,
        units: { [f.TOKENS]: 10, [MODEL_TOKENS]: 4 },
        costNanoUsd: f.usd('0.018'),
      },
    ],
    scope: [
      {
        key: 'grouped',
        requests: 2,
        units: { [f.TOKENS]: 7, [MODEL_TOKENS]: 4 },
        costNanoUsd: f.usd('0.015'),
      },
      { key: 'grouped/s1', requests: 1, units: { [f.TOKENS]: 3 }, costNanoUsd: f.usd('0.003') },
    ],
  }

  test('each tells the same sum by another key, rolled up or not (G1, G3)', async () => {
    await f.client(sql, { id: 'grouped' })
    await used('grouped', { [f.TOKENS]: 7 }, f.NOON)
    await used('grouped', { [f.TOKENS]: 3 }, f.NOON + 1, { scope: { ...NO_SCOPE, session: 's1' } })
    await used('grouped', { [MODEL_TOKENS]: 4 }, f.NOON + DAY_MS)
    const before = await reports()
    while ((await rollUpUsage(sql, 2)) > 0);
    expect(await reports()).toEqual(before)
    for (const [groupBy, { items }] of before) expect(items, groupBy).toEqual(groups[groupBy])
  })

  async function reports() {
    const all: [UsageGroup, Awaited<ReturnType<typeof report>>][] = []
    for (const groupBy of Object.keys(groups) as UsageGroup[])
      all.push([groupBy, await report('grouped', groupBy)])
    return all
  }

  test('pages give each key once, in order (G2)', async () => {
    await f.client(sql, { id: 'paged' })
    for (let day = 0; day < 5; day += 1) await used('paged', { [f.TOKENS]: 1 }, f.NOON + day * DAY_MS)
    const keys: string[] = []
    for (let after: string | null = null, hasMore = true; hasMore;) {
      const page = await report('paged', 'day', { limit: 2, after })
      expect(page.total.requests).toBe(5)
      keys.push(...page.items.map(({ key }) => key))
      after = keys.at(-1) ?? null
      hasMore = page.hasMore
    }
    expect(keys).toEqual(['2026-11-21', '2026-11-22', '2026-11-23', '2026-11-24', '2026-11-25'])
  })
})

test('a correction counts in the hour in which it is booked; the reported hour stays as it was (U2)', async () => {
  await f.client(sql, { id: 'late' })
  const ask = f.execution({ clientId: 'late' })
  await admit(sql, ask, f.NOON)
  await recordEffects(sql, [f.granted(ask.id)])
  await beginAttempt(sql, ask.id, f.NOON)
  await settleExecution(sql, ask.id, { kind: 'cancelled' }, f.NOON)
  await rollUpUsage(sql)
  const assumed = { requests: 1, units: { [f.TOKENS]: 10 }, costNanoUsd: f.usd('0.01') }
  const firstHour = { fromMs: f.NOON, toMs: f.NOON + HOUR_MS }
  expect((await report('late', 'day', firstHour)).total).toEqual(assumed)
  const consumed = { [f.TOKENS]: 4 }
  await recordAttempt(sql, ask.id, 1, { kind: 'reported', consumed, costNanoUsd: null }, f.NOON + 2 * HOUR_MS)
  expect((await report('late', 'day', firstHour)).total).toEqual(assumed)
  const later = { fromMs: f.NOON + 2 * HOUR_MS, toMs: f.NOON + 3 * HOUR_MS }
  expect((await report('late', 'day', later)).total).toEqual({
    requests: 0,
    units: { [f.TOKENS]: -6 },
    costNanoUsd: -f.usd('0.006'),
  })
})

test('a request that the limiter refuses is taken back in the hour of its admission (U1)', async () => {
  await f.client(sql, { id: 'refused' })
  const ask = f.reservation({ clientId: 'refused' })
  await admit(sql, ask, f.NOON)
  expect((await report('refused', 'day')).total.requests).toBe(1)
  await rollUpUsage(sql)
  const rejection = { reason: 'queue-full', resourceId: f.TOKENS, size: 1, retryAfterMs: 1 } as const
  await recordEffects(sql, [
    { kind: 'rejected', id: `${ask.id}#1`, atMs: f.NOON + HOUR_MS, rejection, configVersion: 1 },
  ])
  expect((await report('refused', 'day')).total.requests).toBe(0)
  expect((await report('refused', 'day', { fromMs: f.NOON + HOUR_MS })).total.requests).toBe(0)
  expect(await currentUsage(sql, 'refused', f.NOON)).toMatchObject({ requests: { today: 0, month: 0 } })
  await admit(sql, ask, f.NOON + 2 * HOUR_MS)
  expect((await report('refused', 'day')).total.requests).toBe(1)
})

test('what is booked in a month that has no partition is kept, and moves into it when it is made (M1, M2)', async () => {
  const farMs = Date.UTC(2031, 6, 15, 12)
  await f.client(sql, { id: 'far' })
  await used('far', { [f.TOKENS]: 5 }, farMs)
  await rollUpUsage(sql)
  const far = { fromMs: farMs, toMs: farMs + HOUR_MS }
  const total = { requests: 1, units: { [f.TOKENS]: 5 }, costNanoUsd: f.usd('0.005') }
  expect((await report('far', 'day', far)).total).toEqual(total)
  const inRest = async () =>
    (await sql<{ at: number }[]>`select at from usage_line_rest where client_id = 'far'`).length
  expect(await inRest()).toBe(2)
  const made = await Promise.all([makePartitions(sql, farMs), makePartitions(sql, farMs)])
  expect(made.sort((a, b) => a - b)).toEqual([0, 12])
  expect(await inRest()).toBe(0)
  expect((await report('far', 'day', far)).total).toEqual(total)
  expect(await checkLedger(sql)).toEqual([])
})

test('line by line, over pages and whatever was rolled up in between, each is told once (N1)', async () => {
  await sql`
    insert into usage_inbox (at, client_id, scope_path, request_id, attempt, kind, resource, requests, units, cost)
    select ${new Date(f.NOON).toISOString()}::timestamptz + (n / 7) * interval '1 second', 'many', 'many', 'r' || n, 1,
           'use', ${f.TOKENS}, 0, n, 1
    from generate_series(1, 2500) as n`
  const units: number[] = []
  for await (const line of usageLines(sql, 'many', { fromMs: f.NOON, toMs: f.NOON + HOUR_MS })) {
    units.push(line.units)
    if (line.units % 500 === 1) await rollUpUsage(sql, 300)
  }
  expect(units).toEqual(Array.from({ length: 2_500 }, (_, nth) => nth + 1))
})

test('a roll-up changes sums in the order of their keys: it waits for the first one with no other in its hands (H2)', async () => {
  const templates = Array.from({ length: 40 }, (_, nth) => `t${nth + 10}`)
  const tell = async () =>
    await sql`
    insert into usage_inbox (at, client_id, scope_path, template, request_id, attempt, kind, requests, units, cost)
    select ${new Date(f.NOON).toISOString()}, 'ordered', 'ordered', template, 'r', 0, 'admission', 1, 0, 0
    from unnest(${templates.toReversed()}::text[]) as template`
  await tell()
  await rollUpUsage(sql)
  await tell()
  const rolled = await sql.begin(async (tx) => {
    await tx`select from usage_hour where client_id = 'ordered' and template = 't10' for update`
    const waits = rollUpUsage(sql)
    await f.waiting(sql, 1)
    expect(await tx`select from usage_hour where client_id = 'ordered' for update nowait`).toHaveLength(40)
    return () => waits
  })
  expect(await rolled()).toBe(40)
})

test('whatever is booked and whenever it is rolled up, sums are those of the entries (U3, H1)', async () => {
  const life = fc.record({
    units: fc.nat(30),
    actual: fc.option(fc.nat(30)),
    hour: fc.nat(50),
    ending: fc.constantFrom('release', 'release late', 'expire', 'refuse', 'leave'),
    rollUp: fc.option(fc.integer({ min: 1, max: 5 })),
  })
  let runs = 0
  await fc.assert(
    fc.asyncProperty(fc.array(life, { minLength: 5, maxLength: 12 }), async (lives) => {
      runs += 1
      const clientId = `random-${runs}`
      await f.client(sql, { id: clientId })
      const model = { requests: 0, units: 0 }
      for (const { units, actual, hour, ending, rollUp } of lives) {
        const atMs = f.NOON + hour * HOUR_MS
        const ask = f.reservation({ clientId, resources: { [f.TOKENS]: units + 1 } })
        await admit(sql, ask, atMs)
        model.requests += 1
        const given = {
          reservationId: ask.id,
          actual: actual === null ? null : { [f.TOKENS]: actual },
          costNanoUsd: null,
          outcome: 'success',
          contentHash: 'hash',
        } as const
        if (ending === 'refuse') {
          const rejection = { reason: 'queue-full', resourceId: f.TOKENS, size: 1, retryAfterMs: 1 } as const
          await recordEffects(sql, [
            { kind: 'rejected', id: `${ask.id}#1`, atMs, rejection, configVersion: 1 },
          ])
          model.requests -= 1
        } else if (ending !== 'leave') {
          await recordEffects(sql, [f.granted(ask.id, atMs)])
          if (ending !== 'release') await recordEffects(sql, [f.effect('lease-expired', ask.id, atMs)])
          if (ending !== 'expire') {
            await release(sql, given, atMs + HOUR_MS)
            model.units += actual ?? units + 1
          }
        }
        if (rollUp !== null) await rollUpUsage(sql, rollUp)
      }
      for (const groupBy of ['day', 'resource', 'scope'] as const) {
        const { total, items } = await report(clientId, groupBy)
        expect(total).toMatchObject({
          requests: model.requests,
          units: model.units === 0 ? {} : { [f.TOKENS]: model.units },
        })
        expect(items.reduce((sum, { units }) => sum + (units[f.TOKENS] ?? 0), 0)).toBe(model.units)
      }
      expect(await checkLedger(sql)).toEqual([])
    }),
    { numRuns: 10 },
  )
}, 60_000)
