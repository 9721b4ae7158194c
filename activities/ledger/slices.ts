// What charges change of the slices of rolling budgets: use belongs to the slice in which its request was admitted.

import { sliceStart } from '../../domain/calendar.ts'
import type { Charge } from '../../domain/settlement.ts'
import type { LockedHold } from './lock-holds.ts'
import { periodKey } from './rows.ts'
import { timestamp } from './statement.ts'

type SliceChange = { readonly budgetId: number; readonly startsAt: string; readonly used: number }

/** Each slice once, in the order of budgets and times. */
export function slicesOf(
  charged: readonly { readonly hold: LockedHold; readonly charge: Charge }[],
): readonly SliceChange[] {
  const slices = new Map<string, { budgetId: number; startsAtMs: number; used: number }>()
  for (const { hold, charge } of charged) {
    const { windowMs } = hold.budget
    if (windowMs === undefined || charge.used === 0) continue
    const startsAtMs = sliceStart(windowMs, hold.admittedAtMs)
    const key = periodKey(hold.budgetId, startsAtMs)
    const before = slices.get(key)?.used ?? 0
    slices.set(key, { budgetId: hold.budgetId, startsAtMs, used: before + charge.used })
  }
  return [...slices.values()]
    .sort((a, b) => a.budgetId - b.budgetId || a.startsAtMs - b.startsAtMs)
    .map(({ startsAtMs, ...slice }) => ({ ...slice, startsAt: timestamp(startsAtMs) }))
}
