// ElevenLabs, Stripe, X, Microsoft Graph and PayPal.

import { retryAfterHeader, tightest, type Style } from './style.ts'

/** Calls at once are what it counts, and what its headers tell. */
export const elevenlabs: Style = {
  headers(verdict) {
    const view = tightest(verdict, 'calls')
    if (view === undefined) return {}
    return {
      'current-concurrent-requests': String(view.size - view.remaining),
      'maximum-concurrent-requests': String(view.size),
    }
  },
  reject({ limit: { rule } }) {
    const status = rule.type === 'concurrency' ? 'too_many_concurrent_requests' : 'quota_exceeded'
    return { status: 429, headers: {}, body: { detail: { status, message: `No ${rule.dimension} left.` } } }
  },
}

/** A header names the kind of limit; no time is told. */
export const stripe: Style = {
  headers: () => ({}),
  reject({ group, limit: { rule } }) {
    const scope = group.family === '*' ? 'global' : 'endpoint'
    const reason = `${scope}-${rule.type === 'concurrency' ? 'concurrency' : 'rate'}`
    return {
      status: 429,
      headers: { 'stripe-rate-limited-reason': reason },
      body: {
        error: { type: 'invalid_request_error', code: 'rate_limit', message: 'Request rate limit exceeded.' },
      },
    }
  },
}

/** x-rate-limit-*, the reset as seconds since the epoch. */
export const x: Style = {
  headers({ limits }) {
    const view = limits.toSorted((a, b) => a.remaining / a.size - b.remaining / b.size)[0]
    if (view === undefined) return {}
    return {
      'x-rate-limit-limit': String(view.size),
      'x-rate-limit-remaining': String(view.remaining),
      'x-rate-limit-reset': String(Math.ceil(view.fullAtMs / 1_000)),
    }
  },
  reject: () => ({
    status: 429,
    headers: {},
    body: { title: 'Too Many Requests', detail: 'Too Many Requests', type: 'about:blank', status: 429 },
  }),
}

const WARNS_FROM = 0.8

/** Tells how far a limit is used once that is much, and always when to come again. */
export const graph: Style = {
  headers({ limits }) {
    const used = Math.max(0, ...limits.map(({ remaining, size }) => 1 - remaining / size))
    return used < WARNS_FROM ? {} : { 'x-ms-throttle-limit-percentage': used.toFixed(2) }
  },
  reject: ({ limit, retryAfterMs }) => ({
    status: 429,
    headers: {
      ...retryAfterHeader(retryAfterMs ?? 1_000),
      'x-ms-throttle-scope': `Tenant_Application/${limit.rule.dimension}`,
    },
    body: { error: { code: 'TooManyRequests', message: 'Too many requests.' } },
  }),
}

/** Unpublished limits, and a time only where one can be told. */
export const paypal: Style = {
  headers: () => ({}),
  reject: ({ retryAfterMs }) => ({
    status: 429,
    headers: retryAfterHeader(retryAfterMs),
    body: { name: 'RATE_LIMIT_REACHED', message: 'Too many requests. Blocked due to rate limiting.' },
  }),
}
