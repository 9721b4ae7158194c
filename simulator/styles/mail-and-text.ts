// Who sends mail and text messages: SendGrid, Amazon SES, Twilio. None of them says Retry-After.

import type { Style } from './style.ts'

/** x-ratelimit-* with the reset as seconds since the epoch. */
export const sendgrid: Style = {
  headers({ limits }) {
    const view = limits.toSorted((a, b) => a.remaining / a.size - b.remaining / b.size)[0]
    if (view === undefined) return {}
    return {
      'x-ratelimit-limit': String(view.size),
      'x-ratelimit-remaining': String(view.remaining),
      'x-ratelimit-reset': String(Math.ceil(view.fullAtMs / 1_000)),
    }
  },
  reject: () => ({
    status: 429,
    headers: {},
    body: { errors: [{ field: null, message: 'too many requests' }] },
  }),
}

const DAY_MS = 86_400_000

/** No headers at all, and 400 where others say 429. */
export const ses: Style = {
  headers: () => ({}),
  reject({ limit: { rule } }) {
    const isDaily = rule.type === 'sliding-window' && rule.windowMs >= DAY_MS
    return {
      status: 400,
      headers: { 'x-amzn-errortype': 'ThrottlingException' },
      body: {
        __type: 'ThrottlingException',
        message: isDaily ? 'Daily message quota exceeded.' : 'Maximum sending rate exceeded.',
      },
    }
  },
}

export const twilio: Style = {
  headers: () => ({}),
  reject: () => ({
    status: 429,
    headers: {},
    body: {
      code: 20429,
      message: 'Too Many Requests',
      more_info: 'https://www.twilio.com/docs/errors/20429',
      status: 429,
    },
  }),
}
