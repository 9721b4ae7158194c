// What goes wrong with a call on purpose, by chance from a seed and by schedule.
//
// F1  The same rules and seed fail the same calls: each rule draws once a call, from a stream of its own, whatever the
//     others do. The first rule that hits a call decides.
// F2  A rule is a chain of two states: a call enters the bad one by `perTenThousand` and stays in it for the next by
//     `stayPerTenThousand`, so that failures come in bursts where that is more.

import { z } from 'zod'
import { randomFrom } from './virtual/random.ts'

export const FAILURE_KINDS = [
  /** 500, once the call was charged. */
  'server-error',
  /** 503, or Anthropic's 529. */
  'overloaded',
  /** A rejection that no limit asked for; nothing is charged. */
  'causeless-429',
  /** Takes `delayMs` longer. */
  'slow',
  /** Succeeds `delayMs` later, and is charged, whether its caller still waits or not. */
  'late-success',
  /** Is accepted and never answered. */
  'hang',
  'reset-before-headers',
  'reset-after-headers',
  'reset-mid-body',
  'truncated-json',
  'malformed-json',
  /** A stream ends with an error after its 200; an answer that is no stream fails as `server-error`. */
  'stream-error',
  'usage-zero',
  'usage-times-ten',
  'usage-negative',
  'usage-absent',
  /** Status callbacks come twice. */
  'duplicate-delivery',
] as const

export type FailureKind = (typeof FAILURE_KINDS)[number]

const part = z.int().min(0).max(10_000)

export const failureSchema = z.strictObject({
  kind: z.enum(FAILURE_KINDS),
  perTenThousand: part,
  stayPerTenThousand: part.default(0),
  /** Counted from the group's first call. */
  afterMs: z.int().min(0).default(0),
  /** Left out: for ever. */
  untilMs: z.int().min(1).optional(),
  delayMs: z.int().min(0).default(1_000),
})

export type FailureRule = z.infer<typeof failureSchema>

const WHOLE = 10_000

/** Draws for one call after the other; `sinceMs` counts from the first. */
export function openFailures(
  rules: readonly FailureRule[],
  seed: number,
): (sinceMs: number) => FailureRule | null {
  const chains = rules.map((rule, index) => ({
    rule,
    random: randomFrom(seed, `failure ${index} ${rule.kind}`),
    isBad: false,
  }))
  return (sinceMs) => {
    let hit: FailureRule | null = null
    for (const chain of chains) {
      const { rule, random, isBad } = chain
      const drawn = random.between(1, WHOLE)
      chain.isBad = drawn <= (isBad ? rule.stayPerTenThousand : rule.perTenThousand)
      const isScheduled = sinceMs >= rule.afterMs && sinceMs < (rule.untilMs ?? Infinity)
      if (chain.isBad && isScheduled) hit ??= rule
    }
    return hit
  }
}

/** The body with its `usage` as a provider that miscounts would tell it. */
export function misreport(body: unknown, kind: FailureKind): unknown {
  if (typeof body !== 'object' || body === null || !('usage' in body)) return body
  const { usage, ...rest } = body
  switch (kind) {
    case 'usage-absent':
      return rest
    case 'usage-zero':
      return { ...rest, usage: eachNumber(usage, () => 0) }
    case 'usage-times-ten':
      return { ...rest, usage: eachNumber(usage, (count) => 10 * count) }
    case 'usage-negative':
      return { ...rest, usage: eachNumber(usage, (count) => -count) }
    default:
      return body
  }
}

function eachNumber(value: unknown, change: (count: number) => number): unknown {
  if (typeof value === 'number') return change(value)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, eachNumber(inner, change)]))
}
