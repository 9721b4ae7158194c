// What a provider's headers tell of its limits, in whichever dialect: OpenAI, Anthropic, SendGrid, X, and the drafts of
// the IETF. A worker passes them on with its answer.
//
// RH1  What cannot be read is left out; nothing is guessed.
// RH2  A reset is a duration as Go writes it, a date, seconds from now, or an epoch (from 1e9 on, no window lasts so long).
// RH3  Anthropic rounds what remains of tokens to thousands: half of one is added, so that rounding takes nothing.

export type ToldLimit = {
  /** What is limited, such as `tokens`; null where the provider does not say. */
  readonly dimension: string | null
  readonly limit: number | null
  readonly remaining: number | null
  readonly resetAtMs: number | null
}

type Field = 'limit' | 'remaining' | 'reset'

const NAMED = /^(?:x-)?ratelimit-(?<field>limit|remaining|reset)(?:-(?<dimension>[a-z-]+))?$/
const ANTHROPIC = /^anthropic-ratelimit-(?<dimension>[a-z-]+)-(?<field>limit|remaining|reset)$/
const ROUNDED_TO = 1_000
/** Limits that one answer may tell; more are left out. */
const TOLD_MAX = 16

export function toldLimits(
  headers: Iterable<readonly [string, string]>,
  nowMs: number,
): readonly ToldLimit[] {
  const byDimension = new Map<string, Partial<Record<Field, number>>>()
  for (const [name, text] of headers) {
    for (const { dimension, field, value } of readHeader(name.toLowerCase(), text, nowMs)) {
      const known = byDimension.get(dimension) ?? {}
      if (byDimension.size < TOLD_MAX || byDimension.has(dimension)) {
        byDimension.set(dimension, { ...known, [field]: value })
      }
    }
  }
  return [...byDimension].flatMap(([dimension, { limit = null, remaining = null, reset = null }]) =>
    limit === null && remaining === null
      ? []
      : [{ dimension: dimension === '' ? null : dimension, limit, remaining, resetAtMs: reset }],
  )
}

type Reading = { readonly dimension: string; readonly field: Field; readonly value: number }

function readHeader(name: string, text: string, nowMs: number): readonly Reading[] {
  if (name === 'ratelimit' || name === 'ratelimit-policy') return readDraft(text, nowMs)
  const isAnthropic = name.startsWith('anthropic-')
  const { field, dimension = '' } = (isAnthropic ? ANTHROPIC : NAMED).exec(name)?.groups ?? {}
  switch (field) {
    case 'limit':
    case 'remaining': {
      const units = readUnits(text)
      if (units === null) return []
      const isRounded = isAnthropic && field === 'remaining' && dimension.endsWith('tokens')
      return [{ dimension, field, value: isRounded ? units + ROUNDED_TO / 2 : units }]
    }
    case 'reset': {
      const value = readReset(text, nowMs)
      return value === null ? [] : [{ dimension, field, value }]
    }
    default:
      return []
  }
}

/** `"default";q=100;w=60` and `"default";r=50;t=30`; of several, the first. */
function readDraft(text: string, nowMs: number): readonly Reading[] {
  const parameters = new Map(
    [...(text.split(',')[0] ?? '').matchAll(/;\s*([a-z]+)=(\d+)/g)].map(([, key, digits]) => [
      key,
      Number(digits),
    ]),
  )
  const [limit, remaining, seconds] = [parameters.get('q'), parameters.get('r'), parameters.get('t')]
  return [
    ...(limit === undefined ? [] : [{ dimension: '', field: 'limit' as const, value: limit }]),
    ...(remaining === undefined ? [] : [{ dimension: '', field: 'remaining' as const, value: remaining }]),
    ...(seconds === undefined
      ? []
      : [{ dimension: '', field: 'reset' as const, value: nowMs + seconds * 1_000 }]),
  ]
}

/** Whole units; of a list such as `100, 100;w=60`, the first. */
function readUnits(text: string): number | null {
  const digits = /^\s*(\d{1,15})\s*(?:[,;]|$)/.exec(text)?.[1]
  return digits === undefined ? null : Number(digits)
}

const EPOCH_SECONDS_MIN = 1e9
const EPOCH_MS_MIN = 1e12

/** RH2, as an epoch in whole milliseconds. */
function readReset(text: string, nowMs: number): number | null {
  const told = text.trim()
  if (/^\d+(\.\d+)?$/.test(told)) {
    const number = Number(told)
    if (number >= EPOCH_MS_MIN) return Math.ceil(number)
    if (number >= EPOCH_SECONDS_MIN) return Math.ceil(number * 1_000)
    return nowMs + Math.ceil(number * 1_000)
  }
  const durationMs = readDuration(told)
  if (durationMs !== null) return nowMs + durationMs
  const atMs = /^\d{4}-\d\d-\d\dT/.test(told) ? Date.parse(told) : Number.NaN
  return Number.isNaN(atMs) ? null : atMs
}

const UNIT_MS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1 }

/** `12ms`, `1.5s`, `6m0s`. */
function readDuration(text: string): number | null {
  if (!/^(\d+(\.\d+)?(h|ms|m|s))+$/.test(text)) return null
  const parts = text.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s)/g)
  return Math.ceil(
    [...parts].reduce((sum, [, digits, unit]) => sum + Number(digits) * (UNIT_MS[unit ?? ''] ?? 0), 0),
  )
}
