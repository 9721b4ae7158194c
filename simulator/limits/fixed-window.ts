// At most `units` per minute, hour, day or month of the calendar; what is left at its end is lost.

import { nextPeriodUs } from '../calendar.ts'
import type { LimitRule } from '../scenario.ts'
import type { ProviderLimit } from './provider-limit.ts'

type Rule = Extract<LimitRule, { type: 'fixed-window' }>

export function fixedWindow(rule: Rule): ProviderLimit {
  const charged = new Map<number, number>()
  let used = 0
  let endsAtUs = -Infinity

  const roll = (atUs: number): void => {
    if (atUs < endsAtUs) return
    used = 0
    charged.clear()
    endsAtUs = nextPeriodUs(rule, atUs)
  }

  return {
    remaining(atUs) {
      roll(atUs)
      return rule.units - used
    },
    charge(id, units, atUs) {
      roll(atUs)
      used += units
      charged.set(id, units)
    },
    correct(id, units, atUs) {
      roll(atUs)
      const before = charged.get(id)
      if (before === undefined) return
      used += units - before
      charged.set(id, units)
    },
    end(id) {
      charged.delete(id)
    },
    fitsAtUs(units, atUs) {
      if (units > rule.units) return null
      roll(atUs)
      return used + units <= rule.units ? atUs : endsAtUs
    },
    fullAtUs(atUs) {
      roll(atUs)
      return endsAtUs
    },
  }
}
