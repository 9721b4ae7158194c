import { describe, expect, test } from 'vitest'
import { judge } from '../../../simulator/virtual/measure.ts'
import { loadScenario } from '../../../simulator/virtual/scenario.ts'
import { describe as tableOf } from '../../../simulator/virtual/table.ts'
import { measured } from './stand.ts'

const saturated = loadScenario('saturated')

describe('the referee tells a limiter that is wrong', () => {
  test('ours breaks no limit, and the referee agrees with the provider', () => {
    expect(measured(saturated, { hours: 0.2 }).figures).toMatchObject({ violations: 0, disputed: 0 })
  })

  test.each(['wrong-bucket', 'wrong-window'] as const)('%s is caught', (suspect) => {
    const { figures, limits } = measured(saturated, { hours: 0.2, suspect })
    expect(figures.violations).toBeGreaterThan(0)
    expect(figures.disputed).toBe(0)
    expect(judge(saturated, figures).find(({ name }) => name === 'violations')?.outcome).toBe('missed')
    expect(limits.reduce((sum, { rejected }) => sum + rejected, 0)).toBeGreaterThan(0)
  })
})

describe('V1: the same seed gives the same table', () => {
  const tableFrom = (seed: number): string => tableOf(saturated, measured(saturated, { seed, hours: 0.2 }))

  test('twice the same seed', () => {
    expect(tableFrom(7)).toBe(tableFrom(7))
  })

  test('another seed gives another one', () => {
    expect(tableFrom(7)).not.toBe(tableFrom(8))
  })
})
