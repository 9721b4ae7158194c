// A limit per minute that is enforced second by second: its share in every quantum of the clock. Who wants the outer
// window kept as well lists it beside this one.

import { shareOf, type LimitOf } from '../limit-rule.ts'
import { clockWindow } from './clock-window.ts'
import type { ProviderLimit } from './provider-limit.ts'

export function quantised(rule: LimitOf<'quantised'>): ProviderLimit {
  return clockWindow({ units: shareOf(rule), windowMs: rule.quantumMs, phaseMs: rule.phaseMs })
}
