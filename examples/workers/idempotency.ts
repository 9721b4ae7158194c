// One piece of work for one key: whoever asks again while it runs, or after it, gets the same answer.
//
// I1  A broken connection is no answer: the key may be tried again.
// I2  The last KEYS_MAX answers are kept.

import type { Outcome } from './call.ts'

const KEYS_MAX = 10_000

export type Idempotency = {
  /** `isReplay`: the work was begun by an earlier call. */
  run(
    key: string,
    work: () => Promise<Outcome>,
  ): { readonly outcome: Promise<Outcome>; readonly isReplay: boolean }
}

export function openIdempotency(keysMax = KEYS_MAX): Idempotency {
  const known = new Map<string, Promise<Outcome>>()
  return {
    run(key, work) {
      const before = known.get(key)
      if (before !== undefined) return { outcome: before, isReplay: true }
      const outcome = work()
      known.set(key, outcome)
      const forget = (): void => void (known.get(key) === outcome && known.delete(key))
      outcome.then(({ kind }) => (kind === 'crash' ? forget() : undefined), forget)
      if (known.size > keysMax) {
        const [oldest] = known.keys()
        if (oldest !== undefined) known.delete(oldest)
      }
      return { outcome, isReplay: false }
    },
  }
}
