// A log of what was charged: at most `units` in any window (t - windowMs, t].

import type { LimitOf } from '../limit-rule.ts'
import type { ProviderLimit } from './provider-limit.ts'

type Rule = Pick<LimitOf<'sliding-window'>, 'units' | 'windowMs'>

export function slidingWindow(rule: Rule): ProviderLimit {
  const windowUs = rule.windowMs * 1_000
  /** In order of arrival; the key is the call's id. */
  const entries = new Map<number, { readonly atUs: number; units: number }>()
  let sum = 0
  let lastAtUs = -Infinity

  const expire = (atUs: number): void => {
    for (const [id, entry] of entries) {
      if (entry.atUs + windowUs > atUs) return
      entries.delete(id)
      sum -= entry.units
    }
  }

  return {
    remaining(atUs) {
      expire(atUs)
      return rule.units - sum
    },
    charge(id, units, atUs) {
      expire(atUs)
      entries.set(id, { atUs, units })
      sum += units
      lastAtUs = atUs
    },
    correct(id, units, atUs) {
      expire(atUs)
      const entry = entries.get(id)
      if (entry === undefined) return
      sum += units - entry.units
      entry.units = units
    },
    end() {
      // A window forgets by time alone.
    },
    fitsAtUs(units, atUs) {
      if (units > rule.units) return null
      expire(atUs)
      let left = rule.units - sum
      if (units <= left) return atUs
      for (const entry of entries.values()) {
        left += entry.units
        if (units <= left) return entry.atUs + windowUs
      }
      return null
    },
    fullAtUs(atUs) {
      return Math.max(atUs, lastAtUs + windowUs)
    },
  }
}
