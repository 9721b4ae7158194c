// Everyone else: x-ratelimit-* as most services have them, Retry-After, and DeepL's 456 for a used-up quota.

import { retryAfterHeader, type Style } from './style.ts'

export const plain: Style = {
  headers({ limits, atMs }) {
    const view = limits.toSorted((a, b) => a.remaining / a.size - b.remaining / b.size)[0]
    if (view === undefined) return {}
    return {
      'x-ratelimit-limit': String(view.size),
      'x-ratelimit-remaining': String(view.remaining),
      'x-ratelimit-reset': String(Math.ceil(Math.max(0, view.fullAtMs - atMs) / 1_000)),
    }
  },
  reject: ({ limit, retryAfterMs }) => ({
    status: 429,
    headers: retryAfterHeader(retryAfterMs),
    body: { error: `too many ${limit.rule.dimension}: ${limit.size} at most` },
  }),
}

export const deepl: Style = {
  headers: () => ({}),
  reject({ limit }) {
    const isQuota = limit.rule.type === 'fixed-window' && limit.rule.period === 'month'
    return isQuota
      ? { status: 456, headers: {}, body: { message: 'Quota exceeded' } }
      : { status: 429, headers: {}, body: { message: 'Too many requests' } }
  },
}
