// Thresholds: parts of a budget whose use is told, each once a period.
//
// T1  A threshold is reached when what is charged (holds are not) is its part of the amount.
// T2  Told is what was not told in this period: use that is given back and used again tells nothing twice.
// T3  Booking in parts or at once tells the same thresholds.
// T4  A rolling budget tells each once in the length of its window, which the first one that is told begins: use that
//     goes up and down with its slices tells nothing twice, and use that stays is told again.

import { chargedOf, type Balance, type Budget } from './budget.ts'

/** Percents that are told where a budget names no others. */
export const THRESHOLDS_DEFAULT = [50, 80, 95, 100] as const

/** Percents that the balance has reached and that are above what was told, in rising order. */
export function thresholdsReached(
  percents: readonly number[],
  amount: number,
  balance: Pick<Balance, 'used' | 'surcharge' | 'toldPercent'>,
): readonly number[] {
  const charged = chargedOf(balance)
  if (charged <= 0) return []
  return [...new Set(percents)]
    .filter((percent) => percent > balance.toldPercent && isReached(percent, amount, charged))
    .sort((a, b) => a - b)
}

/** The balance with what was told in this period alone (T4). */
export function withTold({ windowMs }: Pick<Budget, 'windowMs'>, balance: Balance, atMs: number): Balance {
  const { toldAtMs } = balance
  if (windowMs === undefined || toldAtMs === null || atMs < toldAtMs + windowMs) return balance
  return { ...balance, toldPercent: 0, toldAtMs: null }
}

/** Products of safe integers need more than a number. */
function isReached(percent: number, amount: number, charged: number): boolean {
  return BigInt(charged) * 100n >= BigInt(percent) * BigInt(amount)
}
