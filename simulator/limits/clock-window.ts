// At most `units` per `windowMs` of the clock; windows begin at multiples of it since the epoch, `phaseMs` later.

import type { LimitOf } from '../limit-rule.ts'
import type { ProviderLimit } from './provider-limit.ts'
import { windowSum } from './window-sum.ts'

type Rule = Pick<LimitOf<'clock-window'>, 'units' | 'windowMs' | 'phaseMs'>

export function clockWindow({ units, windowMs, phaseMs }: Rule): ProviderLimit {
  return windowSum({
    units,
    endOfUs: (atUs) => windowStartUs({ windowMs, phaseMs }, atUs) + windowMs * 1_000,
    beginsWithCall: false,
  })
}

/** First microsecond of the window that holds `atUs`. */
export function windowStartUs({ windowMs, phaseMs }: Omit<Rule, 'units'>, atUs: number): number {
  const [windowUs, phaseUs] = [windowMs * 1_000, (phaseMs % windowMs) * 1_000]
  return Math.floor((atUs - phaseUs) / windowUs) * windowUs + phaseUs
}
