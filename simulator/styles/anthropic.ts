// Anthropic: anthropic-ratelimit-* with RFC 3339 times; what is left of tokens is rounded to thousands.

import { retryAfterHeader, tightest, type Style } from './style.ts'

const DIMENSIONS = ['requests', 'tokens', 'input-tokens', 'output-tokens'] as const
const ROUNDED_TO = 1_000

export const anthropic: Style = {
  headers(verdict) {
    const headers: Record<string, string> = {}
    for (const dimension of DIMENSIONS) {
      const view = tightest(verdict, dimension)
      if (view === undefined) continue
      const left =
        dimension === 'requests' ? view.remaining : Math.round(view.remaining / ROUNDED_TO) * ROUNDED_TO
      headers[`anthropic-ratelimit-${dimension}-limit`] = String(view.size)
      headers[`anthropic-ratelimit-${dimension}-remaining`] = String(left)
      headers[`anthropic-ratelimit-${dimension}-reset`] = new Date(Math.ceil(view.fullAtMs)).toISOString()
    }
    return headers
  },
  reject({ limit, retryAfterMs }) {
    const message = `This request would exceed your rate limit of ${limit.size} ${limit.rule.dimension}.`
    return {
      status: 429,
      headers: retryAfterHeader(retryAfterMs),
      body: { type: 'error', error: { type: 'rate_limit_error', message } },
    }
  },
}
