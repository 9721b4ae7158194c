import { expect, test } from 'vitest'
import {
  coversAtMs,
  creditAt,
  earn,
  forgive,
  newCredit,
  slowestRate,
  spend,
  startClock,
  type Terms,
} from '../../limiter/order/credit.ts'
import { bucket, limiter, reserve, resource, run, slots, T0, tick, told, window } from './fixture.ts'

const WHOLE = 10_000
/** A quarter of 60 units a minute; one request takes 100 at most. */
const TERMS: Terms = { part: 2_500, rate: { units: 60, perMs: 60_000 }, unitsMax: 100 }

test('CD1 of every unit granted a part is earned, and spent by the unit', () => {
  const credit = newCredit()
  earn(credit, 40, TERMS)
  expect(creditAt(credit, TERMS, 0)).toBe(10 * WHOLE)
  spend(credit, 4)
  expect(creditAt(credit, TERMS, 0)).toBe(6 * WHOLE)
})

test('CD2 over time its part of the rate is earned at least, and not twice', () => {
  const credit = newCredit()
  startClock(credit, 1_000)
  expect(creditAt(credit, TERMS, 9_000)).toBe(2 * WHOLE)
  earn(credit, 8, TERMS)
  expect(creditAt(credit, TERMS, 9_000)).toBe(2 * WHOLE)
  earn(credit, 8, TERMS)
  expect(creditAt(credit, TERMS, 9_000)).toBe(4 * WHOLE)
  expect(coversAtMs(credit, TERMS, 5, 9_000)).toBe(13_000)
  expect(coversAtMs(credit, { ...TERMS, rate: null }, 5, 9_000)).toBeNull()
})

test('CD3 it never exceeds one largest request, and what was spent comes back no faster for it', () => {
  const credit = newCredit()
  startClock(credit, 0)
  earn(credit, 1_000, TERMS)
  expect(creditAt(credit, TERMS, 3_600_000)).toBe(100 * WHOLE)
  spend(credit, 100)
  expect(creditAt(credit, TERMS, 3_600_000)).toBe(0)
  expect(creditAt(credit, TERMS, 3_604_000)).toBe(WHOLE)
})

test('CD2 the slowest limit decides on the rate; slots have none', () => {
  expect(slowestRate([bucket(10, 2, 1_000), window(60, 60_000), slots(1)])).toEqual({
    units: 60,
    perMs: 60_000,
  })
  expect(slowestRate([slots(1)])).toBeNull()
})

test('D6 D9 what a share grants next is kept for it; who goes before its credit covers that is charged in advance', () => {
  const state = limiter(resource('gpt', [window(100, 60_000)], { guaranteedShare: 5_000 }))
  run(state, reserve('r0', 0, 40))
  const rich = { tier: 'enterprise', urgency: 'urgent', clientId: 'rich' } as const
  run(state, reserve('big', 1, 70, rich))
  // 50 a minute come in: covered after 72 s. The big one would start at 60 s.
  run(state, reserve('poor', 1, 60, { tier: 'basic', urgency: 'low', clientId: 'poor' }))
  expect(told(run(state, tick(12_001)))).toEqual([])
  // From here on the big one would count into what is kept: it has to wait for the other one, which may as well go now.
  expect(told(run(state, tick(12_002)))).toEqual(['granted poor'])
  const share = state.accounts.get('gpt')?.share
  expect(share && creditAt(share.credit, share.terms, T0 + 12_002)).toBe((60 / 2 - 60) * WHOLE)
})

test('D9 who is kept for may go at once where nobody better can: all of a second goes as it begins', () => {
  const second = { type: 'clock-window', units: 10, windowMs: 1_000, phaseMs: 0 } as const
  const state = limiter(resource('gpt', [second], { jitterMs: 200, refund: 'none' }))
  for (let nth = 0; nth < 300; nth += 1) {
    const tier = (['enterprise', 'basic'] as const)[nth % 2] ?? 'basic'
    run(state, reserve(`r${nth}`, 0, 1, { tier, clientId: `c${nth % 20}` }))
  }
  for (let nth = 1; nth <= 20; nth += 1) {
    const granted = run(state, tick(1_000 * nth)).filter(({ kind }) => kind === 'granted')
    expect(granted).toHaveLength(10)
    for (let atMs = 1_000 * nth; atMs < 1_000 * (nth + 1); atMs += 100)
      expect(told(run(state, tick(atMs)))).toEqual([])
  }
})

test('CD4 who starves does not wait for what others were granted in advance', () => {
  const terms = { ...TERMS, rate: null }
  const credit = newCredit()
  spend(credit, 40)
  expect(creditAt(credit, terms, 0)).toBe(-40 * WHOLE)
  forgive(credit, terms, 0)
  expect(creditAt(credit, terms, 0)).toBe(0)
  // What has come in over time is neither lost nor counted twice.
  startClock(credit, 0)
  forgive(credit, TERMS, 400_000)
  expect(creditAt(credit, TERMS, 400_000)).toBe(100 * WHOLE)
})
