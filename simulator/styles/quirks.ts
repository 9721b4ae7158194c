// What providers' headers really look like at times: late, missing, in another unit.

import { z } from 'zod'
import type { Headers } from './style.ts'

export const quirksSchema = z.strictObject({
  /** No header tells a limit. */
  omitted: z.boolean().default(false),
  /** Headers are those of this many calls before; the first calls have none. */
  staleBy: z.int().min(0).max(1_000).default(0),
  /** Resets are told in seconds where milliseconds are meant and the other way round. */
  wrongUnit: z.boolean().default(false),
  /** How `Retry-After` is told; left out: as the provider does. */
  retryAfter: z.enum(['seconds', 'http-date', 'ms', 'too-small', 'absent']).optional(),
})

export type Quirks = z.infer<typeof quirksSchema>

/** Changes the headers of one group's answers, in their order. */
export function openQuirks(quirks: Quirks): (told: Headers) => Headers {
  const earlier: Headers[] = []
  return (told) => {
    if (quirks.omitted) return {}
    const headers = quirks.wrongUnit ? inWrongUnit(told) : told
    if (quirks.staleBy === 0) return headers
    earlier.push(headers)
    return earlier.length > quirks.staleBy ? (earlier.shift() ?? {}) : {}
  }
}

/** The headers of a rejection, with `Retry-After` as the quirk has it. */
export function quirkyRetryAfter(
  headers: Headers,
  { quirks, retryAfterMs, atMs }: { quirks: Quirks; retryAfterMs: number | null; atMs: number },
): Headers {
  if (quirks.retryAfter === undefined) return headers
  const { 'retry-after': _seconds, 'retry-after-ms': _ms, ...rest } = headers
  if (retryAfterMs === null) return rest
  switch (quirks.retryAfter) {
    case 'absent':
      return rest
    case 'seconds':
      return { ...rest, 'retry-after': String(Math.max(1, Math.ceil(retryAfterMs / 1_000))) }
    case 'ms':
      return { ...rest, 'retry-after-ms': String(Math.ceil(retryAfterMs)) }
    case 'too-small':
      return { ...rest, 'retry-after': String(Math.floor(retryAfterMs / 2_000)) }
    case 'http-date':
      return {
        ...rest,
        'retry-after': new Date(Math.ceil((atMs + retryAfterMs) / 1_000) * 1_000).toUTCString(),
      }
    default:
      return quirks.retryAfter satisfies never
  }
}

function inWrongUnit(headers: Headers): Headers {
  const entries = Object.entries(headers).map(([name, value]) => [
    name,
    name.includes('reset') ? shifted(value) : value,
  ])
  return Object.fromEntries(entries) as Headers
}

/** `12ms` becomes `12s` and `12s` becomes `12ms`; a bare count of seconds becomes one of milliseconds. */
function shifted(value: string): string {
  if (/^\d+(\.\d+)?ms$/.test(value)) return value.replace('ms', 's')
  if (/^\d+(\.\d+)?s$/.test(value)) return value.replace('s', 'ms')
  return /^\d+$/.test(value) ? `${value}000` : value
}
