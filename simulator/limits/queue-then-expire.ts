// Accepts everything, sends it one after the other at a rate, and lets fail what has not begun after `ttlMs`: Twilio.

import { sendingUs, UNBOUNDED, type LimitOf } from '../limit-rule.ts'
import type { Fate, ProviderLimit } from './provider-limit.ts'

export function queueThenExpire(rule: LimitOf<'queue-then-expire'>): ProviderLimit {
  let freeAtUs = -Infinity
  let last: { readonly id: number; readonly fate: Fate } | null = null

  return {
    remaining: () => UNBOUNDED,
    charge(id, units, atUs) {
      const beginsAtUs = Math.max(atUs, freeAtUs)
      const expiresAtUs = atUs + rule.ttlMs * 1_000
      if (beginsAtUs > expiresAtUs) {
        last = { id, fate: { kind: 'expired', atUs: expiresAtUs } }
        return
      }
      freeAtUs = beginsAtUs + sendingUs(rule, units)
      last = { id, fate: { kind: 'sent', atUs: freeAtUs } }
    },
    correct() {
      // What is queued is sent as it was accepted.
    },
    end() {
      // The caller's answer says nothing of the queue.
    },
    fitsAtUs: (_units, atUs) => atUs,
    fullAtUs: (atUs) => Math.max(atUs, freeAtUs),
    fateOf: (id) => (last?.id === id ? last.fate : null),
  }
}
