import { afterAll, afterEach, expect, test, vi } from 'vitest'
import { admit } from '../../activities/ledger/admit.ts'
import { QueueDepths } from '../../activities/ledger/queue-depths.ts'
import { recordEffects } from '../../activities/ledger/record-effects.ts'
import * as f from './fixture.ts'

const ledger = await f.openLedger()
const { sql } = ledger
afterAll(() => ledger.close())
afterEach(() => {
  vi.useRealTimers()
})

test('Q3: what others admit, and what leaves, is seen a quarter of a second later', async () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  const depths = new QueueDepths()
  const depth = async () => (await depths.waiting(sql, [[f.TOKENS, 100]]))[f.TOKENS]
  expect(await depth()).toBe(0)
  const [stays, leaves] = [f.reservation(), f.reservation()]
  for (const ask of [stays, leaves]) await admit(sql, ask, f.NOON)
  vi.advanceTimersByTime(249)
  expect(await depth()).toBe(0)
  vi.advanceTimersByTime(1)
  expect(await depth()).toBe(2)
  await recordEffects(sql, [f.effect('cancelled', leaves.id)])
  vi.advanceTimersByTime(250)
  expect(await depth()).toBe(1)
})
