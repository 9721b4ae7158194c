// Waiting in tests: for a state, never for a time.

import { setTimeout as delay } from 'node:timers/promises'

const TIMEOUT_MS = 10_000
const POLL_MS = 20

/**
 * Calls `look` until it returns something other than null, undefined or false, and returns that; the error after
 * `timeoutMs` says what the last call threw or returned.
 */
export async function eventually<T>(
  look: () => T | Promise<T>,
  { timeoutMs = TIMEOUT_MS }: { timeoutMs?: number } = {},
): Promise<Exclude<T, null | undefined | false>> {
  const deadline = Date.now() + timeoutMs
  for (;;) {
    let last: unknown
    try {
      const value = await look()
      if (isThere(value)) return value
      last = value
    } catch (error) {
      last = error
    }
    if (Date.now() >= deadline) {
      throw new Error(`not within ${timeoutMs} ms; the last look gave ${String(last)}`, { cause: last })
    }
    await delay(POLL_MS)
  }
}

function isThere<T>(value: T): value is Exclude<T, null | undefined | false> {
  return value !== null && value !== undefined && value !== false
}
