// What a provider's headers tell of its limits, in whichever dialect: OpenAI, Anthropic, SendGrid, X, and the drafts of
// the IETF. A worker passes them on with its answer.
//
// RH1  What cannot be read is left out; nothing is guessed.
// RH2  A reset is a duration as Go writes it, a date, seconds from now, or an epoch (from 1e9 on, no window lasts so long).
// RH3  Anthropic rounds what remains of tokens to thousands: half of one is added, so that rounding takes nothing.
// RH4  Of the policies of the IETF's draft (RateLimit, RateLimit-Policy) the one with the least left is told, with the
//      quota of the same name; one whose window is not of whole seconds is none. What is left is never read as a rate.
// RH5  Retry-After takes precedence over the reset of the drafts.

export type ToldLimit = {
  /** What is limited, such as `tokens`; null where the provider does not say. */
  readonly dimension: string | null
  readonly limit: number | null
  readonly remaining: number | null
  readonly resetAtMs: number | null
}

type Field = 'limit' | 'remaining' | 'reset'

const NAMED = /^(?<x>x-)?ratelimit-(?<field>limit|remaining|reset)(?:-(?<dimension>[a-z-]+))?$/
const ANTHROPIC = /^anthropic-ratelimit-(?<dimension>[a-z-]+)-(?<field>limit|remaining|reset)$/
const ROUNDED_TO = 1_000
/** Limits that one answer may tell; more are left out. */
const TOLD_MAX = 16

export function toldLimits(
  headers: Iterable<readonly [string, string]>,
  nowMs: number,
): readonly ToldLimit[] {
  const named = [...headers].map(([name, text]): readonly [string, string] => [name.toLowerCase(), text])
  const textOf = (name: string): string => named.find(([known]) => known === name)?.[1] ?? ''
  const retryMs = retryAfterMs(textOf('retry-after') || null, nowMs)
  const readings = [
    ...readDraft(textOf('ratelimit'), textOf('ratelimit-policy'), nowMs),
    ...named.flatMap(([name, text]) => readHeader(name, text, nowMs)),
  ]
  const byDimension = new Map<string, Partial<Record<Field, number>>>()
  for (const { dimension, field, isDraft, value } of readings) {
    const known = byDimension.get(dimension) ?? {}
    if (byDimension.size >= TOLD_MAX && !byDimension.has(dimension)) continue
    const told = field === 'reset' && isDraft && retryMs !== null ? nowMs + retryMs : value
    byDimension.set(dimension, { ...known, [field]: told })
  }
  return [...byDimension].flatMap(([dimension, { limit = null, remaining = null, reset = null }]) =>
    limit === null && remaining === null
      ? []
      : [{ dimension: dimension === '' ? null : dimension, limit, remaining, resetAtMs: reset }],
  )
}

type Reading = {
  readonly dimension: string
  readonly field: Field
  readonly isDraft: boolean
  readonly value: number
}

function readHeader(name: string, text: string, nowMs: number): readonly Reading[] {
  const isAnthropic = name.startsWith('anthropic-')
  const { field, dimension = '', x } = (isAnthropic ? ANTHROPIC : NAMED).exec(name)?.groups ?? {}
  const isDraft = !isAnthropic && x === undefined
  switch (field) {
    case 'limit':
    case 'remaining': {
      const units = readUnits(text)
      if (units === null) return []
      const isRounded = isAnthropic && field === 'remaining' && dimension.endsWith('tokens')
      return [{ dimension, field, isDraft, value: isRounded ? units + ROUNDED_TO / 2 : units }]
    }
    case 'reset': {
      const value = readReset(text, nowMs)
      return value === null ? [] : [{ dimension, field, isDraft, value }]
    }
    default:
      return []
  }
}

/** RH4, of `"default";q=100;w=60` (the policies) and `"default";r=50;t=30` (what is left of them). */
function readDraft(left: string, policies: string, nowMs: number): readonly Reading[] {
  const quotas = readItems(policies).filter(({ parameters }) => isPolicy(parameters))
  const states = readItems(left).toSorted((a, b) => numberIn(a, 'r', Infinity) - numberIn(b, 'r', Infinity))
  const [state] = states
  const [first] = quotas
  const quota = state === undefined ? first : quotas.find(({ name }) => name === state.name)
  const unit = quota?.parameters.get('qu') ?? ''
  const told = [
    ['limit', numberIn(quota, 'q', null)],
    ['remaining', numberIn(state, 'r', null)],
    ['reset', numberIn(state, 't', null)],
  ] as const
  return told.flatMap(([field, number]) => {
    if (number === null) return []
    const value = field === 'reset' ? nowMs + number * 1_000 : number
    return [{ dimension: unit, field, isDraft: true, value }]
  })
}

function isPolicy(parameters: ReadonlyMap<string, string>): boolean {
  const seconds = parameters.get('w')
  return INTEGER.test(parameters.get('q') ?? '') && (seconds === undefined || /^[1-9]\d*$/.test(seconds))
}

/** An item of a list of structured fields (RFC 9651): a string with parameters. */
type Item = { readonly name: string; readonly parameters: ReadonlyMap<string, string> }

const INTEGER = /^\d{1,15}$/
const STRING = '"(?:[^"\\\\]|\\\\.)*"'
const PARAMETER = `;\\s*[a-z*][a-z0-9_.*-]*(?:=(?:${STRING}|[^;,"\\s]*))?`
const PARAMETERS = new RegExp(PARAMETER, 'g')
const ITEMS = new RegExp(`(?<name>${STRING})(?<rest>(?:\\s*${PARAMETER})*)`, 'g')

function readItems(text: string): readonly Item[] {
  return [...text.matchAll(ITEMS)].slice(0, TOLD_MAX).map(({ groups: { name = '', rest = '' } = {} }) => ({
    name,
    parameters: new Map(
      [...rest.matchAll(PARAMETERS)].map(([parameter]) => {
        const [key = '', value = ''] = parameter.slice(1).trim().split('=')
        return [key, value.replaceAll('"', '')]
      }),
    ),
  }))
}

/** A parameter that is a whole number; `otherwise` where it is none. */
function numberIn<T>(item: Item | undefined, key: string, otherwise: T): number | T {
  const digits = item?.parameters.get(key) ?? ''
  return INTEGER.test(digits) ? Number(digits) : otherwise
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

/** Seconds or an HTTP date (RFC 9110, 10.2.3), as milliseconds from now; null where it is neither. */
export function retryAfterMs(header: string | null, nowMs = Date.now()): number | null {
  if (header === null) return null
  if (/^\d+(\.\d+)?$/.test(header)) return Math.ceil(Number(header) * 1_000)
  const atMs = Date.parse(header)
  return Number.isNaN(atMs) ? null : Math.max(0, atMs - nowMs)
}
