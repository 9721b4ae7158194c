import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { admit } from '../../activities/ledger/admit.ts'
import { checkLedger } from '../../activities/ledger/check.ts'
import { readRequest } from '../../activities/ledger/read-request.ts'
import type { Ask } from '../../domain/ask.ts'
import { putResource } from '../../activities/ledger/put-resource.ts'
import { putTier } from '../../activities/ledger/put-tier.ts'
import { putWorker } from '../../activities/ledger/put-worker.ts'
import { recordEffects } from '../../activities/ledger/record-effects.ts'
import { rollUpUsage } from '../../activities/ledger/roll-up-usage.ts'
import * as f from './fixture.ts'

let ledger: f.Ledger
beforeAll(async () => {
  ledger = await f.openLedger()
})
afterAll(async () => {
  await ledger.close()
})

const refusalOf = async (ask: Ask, atMs = f.NOON) => {
  const admission = await admit(ledger.sql, ask, atMs)
  return admission.kind === 'refused' ? admission.refusal : admission
}

describe('what is admitted', () => {
  test('a request that names only its worker has the typical demand, its price, and waits', async () => {
    const ask = f.execution()
    const admission = await admit(ledger.sql, ask, f.NOON)
    expect(admission).toMatchObject({
      kind: 'admitted',
      plan: {
        requestId: ask.id,
        generation: 1,
        clientId: 'acme',
        tier: 'standard',
        urgency: 'normal',
        demand: [[f.TOKENS, 10]],
        admittedAtMs: f.NOON,
        deferUntilMs: null,
        waitUntilMs: f.NOON + 3_600_000,
        leaseMs: 105_000,
        estimatedNanoUsd: 10_000_000,
        call: { worker: 'echo', action: 'work', input: { topic: 'tides' }, priority: 30 },
      },
    })
    expect(await readRequest(ledger.sql, ask.id, f.NOON)).toMatchObject({
      state: 'waiting',
      clientId: 'acme',
      estimatedNanoUsd: 10_000_000,
      createdAtMs: f.NOON,
      attempts: 0,
    })
  })

  test('A2: an open execution asked again gets the same plan; another body is a mismatch', async () => {
    const ask = f.execution()
    const first = await admit(ledger.sql, ask, f.NOON)
    expect(await admit(ledger.sql, ask, f.NOON + 5)).toEqual(first)
    const other = await admit(ledger.sql, { ...ask, bodyHash: 'other' }, f.NOON)
    expect(other).toEqual({ kind: 'known', state: 'waiting', sameBody: false, plan: null })
  })

  test('a deferred request counts its wait from its time', async () => {
    const ask = f.execution({ deferUntilMs: f.NOON + 1_000, maxWaitMs: 500 })
    const admission = await admit(ledger.sql, ask, f.NOON)
    expect(admission).toMatchObject({ plan: { deferUntilMs: f.NOON + 1_000, waitUntilMs: f.NOON + 1_500 } })
    expect(await readRequest(ledger.sql, ask.id, f.NOON)).toMatchObject({ state: 'deferred' })
  })

  test('an urgency above the client’s is lowered, and the row says so', async () => {
    await f.client(ledger.sql, { id: 'modest', priorityMax: 'low' })
    const ask = f.reservation({ clientId: 'modest', urgency: 'urgent' })
    await admit(ledger.sql, ask, f.NOON)
    expect(await readRequest(ledger.sql, ask.id, f.NOON)).toMatchObject({
      urgency: 'low',
      askedUrgency: 'urgent',
    })
  })

  test('the price in force is the newest that is effective', async () => {
    await putResource(ledger.sql, f.resource({ id: 'mail' }), f.ACTOR)
    await f.price(ledger.sql, 'mail', '0.5', { effectiveFromMs: f.NOON - 1_000 })
    await f.price(ledger.sql, 'mail', '0.25', { effectiveFromMs: f.NOON })
    await f.price(ledger.sql, 'mail', '9', { effectiveFromMs: f.NOON + 1_000 })
    const ask = f.reservation({ resources: { mail: 3 } })
    expect(await admit(ledger.sql, ask, f.NOON + 999)).toMatchObject({
      plan: { estimatedNanoUsd: f.usd('0.75') },
    })
  })
})

describe('what is refused at once', () => {
  test('names that nobody knows', async () => {
    await putWorker(ledger.sql, f.worker({ name: 'later', planned: true }), f.ACTOR)
    expect(await refusalOf(f.execution({ clientId: 'nobody' }))).toMatchObject({ code: 'unknown-client' })
    expect(await refusalOf(f.execution({ worker: 'nobody' }))).toMatchObject({ code: 'unknown-worker' })
    expect(await refusalOf(f.execution({ worker: 'later' }))).toMatchObject({
      code: 'unknown-worker',
      detail: expect.stringContaining('planned'),
    })
    expect(await refusalOf(f.execution({ template: 'none' }))).toMatchObject({ code: 'unknown-template' })
    expect(await refusalOf(f.reservation({ resources: { none: 1 } }))).toMatchObject({
      code: 'unknown-resource',
      members: { resource: 'none' },
    })
  })

  test('a resource without a price, unless the reservation brings its cost', async () => {
    await putResource(ledger.sql, f.resource({ id: 'unpriced' }), f.ACTOR)
    const resources = { unpriced: 1 }
    expect(await refusalOf(f.reservation({ resources }))).toMatchObject({
      code: 'unknown-price',
      members: { resource: 'unpriced' },
    })
    const ask = f.reservation({ resources, costNanoUsd: f.usd('0.01') })
    expect(await admit(ledger.sql, ask, f.NOON)).toMatchObject({ plan: { estimatedNanoUsd: 10_000_000 } })
  })

  test('a demand that can never fit, named by its limit and what it admits, mirrored', async () => {
    const limits = [
      { type: 'concurrency', slots: 2, per: 'reservation' },
      { type: 'token-bucket', capacity: 100, refillUnits: 60, refillMs: 60_000 },
    ] as const
    await putResource(ledger.sql, f.resource({ id: 'small', limits, jitterMs: 1_500 }), f.ACTOR)
    await f.price(ledger.sql, 'small', '0')
    expect(await refusalOf(f.reservation({ resources: { small: 99 } }))).toMatchObject({
      code: 'impossible',
      members: { resource: 'small', limit: 1, needed: 99, size: 98 },
    })
    expect(await refusalOf(f.reservation({ resources: { small: 98 } }))).toMatchObject({ kind: 'admitted' })
  })

  test('PL4: a demand that fits the whole limit but none of the pools of its client', async () => {
    const pools = { reserved: 3_000, dedicated: { acme: 2_000 } }
    const limits = [{ type: 'sliding-window', units: 100, windowMs: 60_000 }] as const
    await putResource(ledger.sql, f.resource({ id: 'carved', limits, pools }), f.ACTOR)
    await f.price(ledger.sql, 'carved', '0')
    const ask = (units: number) => f.reservation({ resources: { carved: units }, maxWaitMs: null })
    expect(await refusalOf(ask(51))).toMatchObject({
      code: 'impossible',
      members: { resource: 'carved', limit: 0, needed: 51, size: 50 },
    })
    expect(await refusalOf(ask(50))).toMatchObject({ kind: 'admitted' })
  })

  test('an estimate above the highest cost', async () => {
    expect(await refusalOf(f.execution({ maxCostNanoUsd: f.usd('0.009') }))).toMatchObject({
      code: 'cost-limit',
      members: { estimatedCostUsd: '0.01', maxCostUsd: '0.009' },
    })
  })

  test('Q2: one more than may wait for a resource', async () => {
    await putResource(ledger.sql, f.resource({ id: 'busy', maxQueue: 2 }), f.ACTOR)
    await f.price(ledger.sql, 'busy', '0')
    const ask = () => f.reservation({ resources: { busy: 1 }, maxWaitMs: null })
    expect(await refusalOf(ask())).toMatchObject({ kind: 'admitted' })
    expect(await refusalOf(ask())).toMatchObject({ kind: 'admitted' })
    expect(await refusalOf(ask())).toMatchObject({
      code: 'queue-full',
      members: { resource: 'busy', size: 2 },
    })
  })

  test('a request more than the client has a day; the next UTC day is new', async () => {
    await f.client(ledger.sql, { id: 'daily', dailyRequests: 1 })
    const ask = () => f.reservation({ clientId: 'daily' })
    expect(await refusalOf(ask())).toMatchObject({ kind: 'admitted' })
    expect(await refusalOf(ask())).toMatchObject({
      code: 'insufficient-resources',
      members: { resource: 'client:daily', limit: 'dailyRequests', retryAfterMs: 12 * 3_600_000 },
    })
    expect(await refusalOf(ask(), f.NOON + 12 * 3_600_000)).toMatchObject({ kind: 'admitted' })
  })

  test('A4, DL1: what counts of a day is what was admitted and not taken back, rolled up or not', async () => {
    await f.client(ledger.sql, { id: 'counted', dailyRequests: 3 })
    const ask = () => f.reservation({ clientId: 'counted' })
    const codeOf = async (one: Ask, atMs = f.NOON) => {
      const admission = await admit(ledger.sql, one, atMs)
      return admission.kind === 'refused' ? admission.refusal.code : admission.kind
    }
    const [first, second] = [ask(), ask()]
    expect([await codeOf(first), await codeOf(second)]).toEqual(['admitted', 'admitted'])
    await rollUpUsage(ledger.sql)
    // The same id again is one request; one that is refused at once is none.
    expect(await codeOf(first)).toBe('known')
    expect(await codeOf({ ...ask(), resources: { none: 1 } })).toBe('unknown-resource')
    expect([await codeOf(ask()), await codeOf(ask())]).toEqual(['admitted', 'insufficient-resources'])
    const rejection = { reason: 'queue-full', resourceId: f.TOKENS, size: 1, retryAfterMs: 1 } as const
    await recordEffects(ledger.sql, [
      { kind: 'rejected', id: `${second.id}#1`, atMs: f.NOON, rejection, configVersion: 1 },
    ])
    expect([await codeOf(second), await codeOf(ask())]).toEqual(['admitted', 'insufficient-resources'])
    await rollUpUsage(ledger.sql)
    expect(await codeOf(ask())).toBe('insufficient-resources')
    expect(await codeOf(ask(), f.NOON + 12 * 3_600_000)).toBe('admitted')
    expect(await checkLedger(ledger.sql)).toEqual([])
  })

  test('V1: a refusal is kept with its reason for a day, and the id may be tried again', async () => {
    const ask = f.reservation({ resources: { soon: 1 } })
    expect(await refusalOf(ask)).toMatchObject({ code: 'unknown-resource' })
    expect(await readRequest(ledger.sql, ask.id, f.NOON)).toMatchObject({
      state: 'refused',
      refusal: { code: 'unknown-resource' },
    })
    expect(await readRequest(ledger.sql, ask.id, f.NOON + 86_400_000)).toBeNull()
    await putResource(ledger.sql, f.resource({ id: 'soon' }), f.ACTOR)
    await f.price(ledger.sql, 'soon', '0')
    expect(await admit(ledger.sql, ask, f.NOON)).toMatchObject({ kind: 'admitted', plan: { generation: 2 } })
    expect(await readRequest(ledger.sql, ask.id, f.NOON)).toMatchObject({ state: 'waiting', refusal: null })
  })
})

describe('budgets', () => {
  test('A1: the first ancestor that refuses is told, and nothing is held anywhere', async () => {
    await f.client(ledger.sql, { id: 'tree' }, [f.hard('tree', '1')])
    await f.putBudgets(ledger.sql, 'tree/s1', [f.hard('tree/s1', '0.02'), f.hard('tree/s1', 15)])
    const scope = { session: 's1', swarm: null, run: null, step: null }
    const ask = () => f.reservation({ clientId: 'tree', scope })
    expect(await refusalOf(ask())).toMatchObject({ kind: 'admitted' })
    expect(await refusalOf(ask())).toEqual({
      code: 'budget-exceeded',
      detail: 'the month budget of "tree/s1" has 5 gpt/tokens left, and 10 is needed',
      members: {
        scope: 'tree/s1',
        budget: { unit: f.TOKENS, period: 'month', amount: 15, enforcement: 'hard' },
        needed: 10,
        remaining: 5,
        resetsAt: '2026-12-01T00:00:00.000Z',
      },
    })
    const held = await ledger.sql`select sum(held)::bigint as held from budget_period p
      join budget b on b.id = p.budget_id where b.unit = 'USD' and b.scope = 'tree'`
    expect(held).toEqual([{ held: f.usd('0.01') }])
  })

  test('[EA] a budget of 6 admits three of 2, a budget of 0 none', async () => {
    await f.client(ledger.sql, { id: 'six' }, [f.hard('six', 6)])
    await f.client(ledger.sql, { id: 'none' }, [f.hard('none', '0', { period: 'total' })])
    const ask = () => f.reservation({ clientId: 'six', resources: { [f.TOKENS]: 2 } })
    const kinds = []
    for (let n = 0; n < 4; n += 1) kinds.push((await admit(ledger.sql, ask(), f.NOON)).kind)
    expect(kinds).toEqual(['admitted', 'admitted', 'admitted', 'refused'])
    expect(await refusalOf(f.reservation({ clientId: 'none' }))).toMatchObject({
      members: { needed: '0.01', remaining: '0', resetsAt: null },
    })
  })

  test('a new month finds its own row', async () => {
    await f.client(ledger.sql, { id: 'monthly' }, [f.hard('monthly', '0.01')])
    const ask = () => f.reservation({ clientId: 'monthly' })
    expect(await refusalOf(ask())).toMatchObject({ kind: 'admitted' })
    expect(await refusalOf(ask())).toMatchObject({ code: 'budget-exceeded' })
    expect(await refusalOf(ask(), Date.parse('2026-12-01T00:00:00Z'))).toMatchObject({ kind: 'admitted' })
  })

  test('H3: the tier’s month budget holds for each of its clients without an own one', async () => {
    await putTier(ledger.sql, f.tier({ id: 'capped', monthlyBudgetUsd: '0.01' }), f.ACTOR)
    await f.client(ledger.sql, { id: 'capped-1', tier: 'capped' })
    await f.client(ledger.sql, { id: 'capped-2', tier: 'capped' }, [f.hard('capped-2', '0.02')])
    const ask = (clientId: string) => f.reservation({ clientId })
    expect(await refusalOf(ask('capped-1'))).toMatchObject({ kind: 'admitted' })
    expect(await refusalOf(ask('capped-1'))).toMatchObject({ members: { scope: 'capped-1', remaining: '0' } })
    expect(await refusalOf(ask('capped-2'))).toMatchObject({ kind: 'admitted' })
    expect(await refusalOf(ask('capped-2'))).toMatchObject({ kind: 'admitted' })
    expect(await refusalOf(ask('capped-2'))).toMatchObject({ members: { scope: 'capped-2' } })
  })
})
