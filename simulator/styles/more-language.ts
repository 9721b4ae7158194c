// Azure OpenAI and Google's models: the one tells what is left and never the limit, the other tells nothing but in the
// body of an error.

import { retryAfterHeader, tightest, type Style } from './style.ts'

export const azure: Style = {
  headers(verdict) {
    const headers: Record<string, string> = {}
    for (const dimension of ['requests', 'tokens']) {
      const view = tightest(verdict, dimension)
      if (view !== undefined) headers[`x-ratelimit-remaining-${dimension}`] = String(view.remaining)
    }
    return headers
  },
  reject: ({ retryAfterMs }) => ({
    status: 429,
    headers: {
      ...retryAfterHeader(retryAfterMs),
      ...(retryAfterMs === null ? {} : { 'retry-after-ms': String(Math.ceil(retryAfterMs)) }),
    },
    body: { error: { code: '429', message: 'Requests have exceeded the rate limit of your current tier.' } },
  }),
}

export const gemini: Style = {
  headers: () => ({}),
  reject({ limit, retryAfterMs }) {
    const retry =
      retryAfterMs === null
        ? []
        : [
            {
              '@type': 'type.googleapis.com/google.rpc.RetryInfo',
              retryDelay: `${Math.ceil(retryAfterMs / 1_000)}s`,
            },
          ]
    const quota = {
      '@type': 'type.googleapis.com/google.rpc.QuotaFailure',
      violations: [{ quotaMetric: limit.rule.dimension, quotaValue: String(limit.size) }],
    }
    const message = 'You exceeded your current quota.'
    return {
      status: 429,
      headers: {},
      body: { error: { code: 429, message, status: 'RESOURCE_EXHAUSTED', details: [quota, ...retry] } },
    }
  },
}

/** Google Cloud Translation says 403 to both, and which one it was in a text. */
export const translate: Style = {
  headers: () => ({}),
  reject({ limit: { rule } }) {
    const isDaily = rule.type === 'fixed-window' && rule.period === 'day'
    const message = isDaily ? 'Daily Limit Exceeded' : 'User Rate Limit Exceeded'
    return { status: 403, headers: {}, body: { error: { code: 403, message, status: 'PERMISSION_DENIED' } } }
  },
}
