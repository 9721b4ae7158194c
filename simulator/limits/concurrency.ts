// At most `slots` in flight; a slot is free again when its call has been answered or its caller has gone.

import type { LimitOf } from '../limit-rule.ts'
import type { ProviderLimit } from './provider-limit.ts'

export function concurrency(rule: LimitOf<'concurrency'>): ProviderLimit {
  const held = new Map<number, number>()
  let used = 0

  const set = (id: number, units: number): void => {
    used += units - (held.get(id) ?? 0)
    if (units === 0) held.delete(id)
    else held.set(id, units)
  }

  return {
    remaining: () => rule.slots - used,
    charge: (id, units) => set(id, units),
    correct() {
      // A call holds its slots until it ends, whatever it used.
    },
    end: (id) => set(id, 0),
    fitsAtUs: (units, atUs) => (used + units <= rule.slots ? atUs : null),
    fullAtUs: (atUs) => atUs,
  }
}
