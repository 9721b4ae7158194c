import { expect, test } from 'vitest'
import { toldLimits } from '../../activities/rate-limit-headers.ts'

const NOW = Date.parse('2026-11-20T08:00:00.000Z')

const table: Readonly<Record<string, { headers: Record<string, string>; want: unknown }>> = {
  'OpenAI: durations as Go writes them (RH2)': {
    headers: {
      'x-ratelimit-limit-requests': '5000',
      'x-ratelimit-remaining-requests': '4999',
      'x-ratelimit-reset-requests': '12ms',
      'X-RateLimit-Limit-Tokens': '20000',
      'x-ratelimit-remaining-tokens': '15482',
      'x-ratelimit-reset-tokens': '6m13.554s',
    },
    want: [
      { dimension: 'requests', limit: 5_000, remaining: 4_999, resetAtMs: NOW + 12 },
      { dimension: 'tokens', limit: 20_000, remaining: 15_482, resetAtMs: NOW + 373_554 },
    ],
  },
  'Anthropic: dates, and tokens rounded to thousands (RH3)': {
    headers: {
      'anthropic-ratelimit-input-tokens-limit': '30000',
      'anthropic-ratelimit-input-tokens-remaining': '12000',
      'anthropic-ratelimit-input-tokens-reset': '2026-11-20T08:00:36Z',
    },
    want: [{ dimension: 'input-tokens', limit: 30_000, remaining: 12_500, resetAtMs: NOW + 36_000 }],
  },
  'SendGrid and X: an epoch in seconds, and no dimension': {
    headers: {
      'x-ratelimit-limit': '100',
      'x-ratelimit-remaining': '7',
      'x-ratelimit-reset': String(NOW / 1_000 + 60),
    },
    want: [{ dimension: null, limit: 100, remaining: 7, resetAtMs: NOW + 60_000 }],
  },
  'the draft of three headers: seconds from now, and a list of limits': {
    headers: { 'ratelimit-limit': '100, 100;w=60', 'ratelimit-remaining': '50', 'ratelimit-reset': '30' },
    want: [{ dimension: null, limit: 100, remaining: 50, resetAtMs: NOW + 30_000 }],
  },
  'the draft of two headers (vector 48)': {
    headers: {
      'ratelimit-policy': '"burst";q=100;w=60,"daily";q=1000;w=86400',
      ratelimit: '"default";r=50;t=30',
    },
    want: [{ dimension: null, limit: 100, remaining: 50, resetAtMs: NOW + 30_000 }],
  },
  'what cannot be read is left out (RH1)': {
    headers: {
      'x-ratelimit-limit': 'many',
      'x-ratelimit-remaining': '-3',
      'x-ratelimit-reset': 'soon',
      'x-ratelimit-reset-tokens': '5s',
      'retry-after': '3',
    },
    want: [],
  },
}

test.for(Object.entries(table))('%s', ([, { headers, want }]) => {
  expect(toldLimits(Object.entries(headers), NOW)).toEqual(want)
})
