// OpenAI: x-ratelimit-* with durations as Go writes them; `reset` is the time until all is there again.

import { retryAfterHeader, tightest, type Style } from './style.ts'

const WORDS: Readonly<Record<string, { readonly type: string; readonly text: string }>> = {
  requests: { type: 'requests', text: 'requests per min (RPM)' },
  tokens: { type: 'tokens', text: 'tokens per min (TPM)' },
  images: { type: 'images', text: 'images per min (IPM)' },
}

export const openai: Style = {
  headers(verdict) {
    const headers: Record<string, string> = {}
    for (const dimension of ['requests', 'tokens']) {
      const view = tightest(verdict, dimension)
      if (view === undefined) continue
      headers[`x-ratelimit-limit-${dimension}`] = String(view.size)
      headers[`x-ratelimit-remaining-${dimension}`] = String(view.remaining)
      headers[`x-ratelimit-reset-${dimension}`] = goDuration(view.fullAtMs - verdict.atMs)
    }
    return headers
  },
  reject({ limit, retryAfterMs }, { family, units }) {
    const { dimension } = limit.rule
    const { type, text } = WORDS[dimension] ?? { type: dimension, text: dimension }
    const figures = `Limit ${limit.size}, Used ${limit.size - limit.remaining}, Requested ${units}`
    const message =
      retryAfterMs === null && units > limit.size
        ? `Request too large for ${family} on ${text}: Limit ${limit.size}, Requested ${units}.`
        : `Rate limit reached for ${family} on ${text}: ${figures}. Please try again in ${goDuration(retryAfterMs ?? 0)}.`
    return {
      status: 429,
      headers: {
        ...retryAfterHeader(retryAfterMs),
        ...(retryAfterMs === null ? {} : { 'retry-after-ms': String(Math.ceil(retryAfterMs)) }),
      },
      body: { error: { message, type, param: null, code: 'rate_limit_exceeded' } },
    }
  },
}

/** `12ms`, `1.5s`, `6m0s`, `1h0m0s`: how Go prints a duration. */
export function goDuration(ms: number): string {
  if (ms <= 0) return '0s'
  if (ms < 1_000) return `${Math.ceil(ms)}ms`
  const seconds = Math.ceil(ms) / 1_000
  const h = Math.floor(seconds / 3_600)
  const m = Math.floor((seconds % 3_600) / 60)
  const s = Number((seconds % 60).toFixed(3))
  return `${h > 0 ? `${h}h` : ''}${h > 0 || m > 0 ? `${m}m` : ''}${s}s`
}
