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
  'vector 48 (the IETF draft of RateLimit fields): of what is left of each policy, the least, with its quota (RH4)':
    {
      headers: {
        'RateLimit-Policy': '"burst";q=100;w=60,"daily";q=1000;w=86400',
        RateLimit: '"burst";r=50;t=30, "daily";r=8;t=4000',
      },
      want: [{ dimension: null, limit: 1_000, remaining: 8, resetAtMs: NOW + 4_000_000 }],
    },
  'vector 48: policies alone are the first of them': {
    headers: { 'ratelimit-policy': '"burst";q=100;w=60,"daily";q=1000;w=86400' },
    want: [{ dimension: null, limit: 100, remaining: null, resetAtMs: null }],
  },
  'vector 48: what is left of a policy that is not told has no limit': {
    headers: { 'ratelimit-policy': '"burst";q=100;w=60', ratelimit: '"default";r=50;t=30' },
    want: [{ dimension: null, limit: null, remaining: 50, resetAtMs: NOW + 30_000 }],
  },
  'vector 48: Retry-After takes precedence over the reset, be it earlier or later (RH5)': {
    headers: { ratelimit: '"default";r=0;t=30', 'Retry-After': '7' },
    want: [{ dimension: null, limit: null, remaining: 0, resetAtMs: NOW + 7_000 }],
  },
  'vector 48: so it does in the draft of three headers, but not where a reset means when a bucket is full (RH5)':
    {
      headers: {
        'ratelimit-remaining': '0',
        'ratelimit-reset': '5',
        'x-ratelimit-remaining-tokens': '10',
        'x-ratelimit-reset-tokens': '6s',
        'retry-after': '60',
      },
      want: [
        { dimension: null, limit: null, remaining: 0, resetAtMs: NOW + 60_000 },
        { dimension: 'tokens', limit: null, remaining: 10, resetAtMs: NOW + 6_000 },
      ],
    },
  'vector 48: a policy whose window is not of whole seconds is none': {
    headers: { 'ratelimit-policy': '"sub";q=10;w=0.5,"none";q=20;w=0,"whole";q=30;w=2' },
    want: [{ dimension: null, limit: 30, remaining: null, resetAtMs: null }],
  },
  'vector 48: 10,000 left of 10,000 in 1,000 s, ten seconds before the reset, is no rate': {
    headers: { 'ratelimit-policy': '"d";q=10000;w=1000', ratelimit: '"d";r=10000;t=10' },
    want: [{ dimension: null, limit: 10_000, remaining: 10_000, resetAtMs: NOW + 10_000 }],
  },
  'vector 48: a policy may say what it counts, for whom, and be named as it likes': {
    headers: {
      'ratelimit-policy': '"a, \\"b\\";q=7";q=65535;qu="requests";w=10;pk=:c2Q=:',
      ratelimit: '"a, \\"b\\";q=7";r=12;t=3',
    },
    want: [{ dimension: 'requests', limit: 65_535, remaining: 12, resetAtMs: NOW + 3_000 }],
  },
  'vector 48: numbers that are none are left out (RH1)': {
    headers: { 'ratelimit-policy': '"d";q=many;w=60', ratelimit: '"d";r=1.5;t=-3' },
    want: [],
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
