import { describe, expect, test } from 'vitest'
import { cappedUrgency, priorityOf, queueClassOf } from '../../domain/priority.ts'

describe('the score', () => {
  const NEW = { tier: 40, urgency: 'urgent', waitedMs: 0, fairness: 10, boost: 0 } as const

  test.each([
    ['of the best newcomer', NEW, 80, 0, false],
    ['of the least newcomer', { tier: 10, urgency: 'low', waitedMs: 0, fairness: 0, boost: 0 }, 10, 0, false],
    ['earns a point in five minutes', { ...NEW, waitedMs: 300_000 }, 81, 1, false],
    ['starves after ten', { ...NEW, waitedMs: 600_000 }, 92, 2, true],
    ['stops at twenty points of waiting and at 100', { ...NEW, waitedMs: 36_000_000 }, 100, 20, true],
    ['is never below 0', { ...NEW, boost: -100 }, 0, 0, false],
  ] as const)('%s', (_name, parts, score, waiting, starving) => {
    expect(priorityOf(parts)).toMatchObject({ score, waiting, starving })
  })
})

test('an urgency above the most that is allowed is lowered to it', () => {
  expect(cappedUrgency('urgent', 'normal')).toBe('normal')
  expect(cappedUrgency('low', 'normal')).toBe('low')
})

test.each([
  [0, 'immediate'],
  [999, 'immediate'],
  [1_000, 'fast'],
  [10_000, 'normal'],
  [60_000, 'batch'],
  [3_600_000, 'deferred'],
  [null, 'deferred'],
] as const)('a wait of %s ms is %s', (waitMs, queueClass) => {
  expect(queueClassOf(waitMs)).toBe(queueClass)
})
