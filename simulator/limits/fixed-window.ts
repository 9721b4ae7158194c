// At most `units` per minute, hour, day or month of the calendar.

import { nextPeriodUs } from '../calendar.ts'
import type { LimitOf } from '../limit-rule.ts'
import type { ProviderLimit } from './provider-limit.ts'
import { windowSum } from './window-sum.ts'

export function fixedWindow(rule: LimitOf<'fixed-window'>): ProviderLimit {
  return windowSum({
    units: rule.units,
    endOfUs: (atUs) => nextPeriodUs(rule, atUs),
    beginsWithCall: false,
  })
}
