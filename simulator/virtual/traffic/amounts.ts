// Whole numbers drawn as a scenario says.

import type { Random } from '../random.ts'
import type { Amounts } from '../scenario.ts'

export function drawAmount(amounts: Amounts, random: Random): number {
  if (typeof amounts === 'number') return amounts
  if ('uniform' in amounts) return random.between(...amounts.uniform)
  if ('choice' in amounts) {
    const chosen = amounts.choice[random.index(amounts.choice.map(([, weight]) => weight))]
    return chosen?.[0] ?? 1
  }
  const { mean, cv, max } = amounts.logNormal
  const variance = Math.log(1 + cv * cv)
  const drawn = Math.exp(Math.log(mean) - variance / 2 + Math.sqrt(variance) * random.normal())
  return Math.max(1, Math.min(max, Math.round(drawn)))
}

/** Of a logarithmic normal distribution that is cut off, as if it were not. */
export function meanAmount(amounts: Amounts): number {
  if (typeof amounts === 'number') return amounts
  if ('uniform' in amounts) return (amounts.uniform[0] + amounts.uniform[1]) / 2
  if ('logNormal' in amounts) return amounts.logNormal.mean
  const weights = amounts.choice.reduce((sum, [, weight]) => sum + weight, 0)
  return amounts.choice.reduce((sum, [units, weight]) => sum + (units * weight) / weights, 0)
}
