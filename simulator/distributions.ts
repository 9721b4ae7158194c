// How long calls take and how much they produce, where the caller does not say: log-normal, as traffic of language
// models is, cut where the provider cuts it.

import { z } from 'zod'
import type { Random } from './virtual/random.ts'

const spread = z.strictObject({
  mean: z.number().positive(),
  /** Standard deviation over mean. */
  cv: z.number().min(0).max(10).default(1),
})

export type Spread = z.infer<typeof spread>

export const paceSchema = z.strictObject({
  /** Output tokens, cut at the call's `max_tokens`; left out: by the call's content. */
  completion: spread.optional(),
  /** Until the first token. */
  firstTokenMs: spread,
  /** Between two tokens. */
  tokenMs: z.number().min(0),
  /** A busy provider is slower: times 1 + `loadFactor` x calls in flight / `loadCalls`. */
  loadFactor: z.number().min(0).default(0),
  loadCalls: z.int().min(1).default(100),
})

export type Pace = z.infer<typeof paceSchema>

/** Log-normal with this mean and variation; the mean itself where there is none. */
export function drawFrom({ mean, cv }: Spread, random: Random): number {
  const variance = Math.log(1 + cv * cv)
  return Math.exp(Math.log(mean) - variance / 2 + Math.sqrt(variance) * random.normal())
}

/** Whole tokens, 1 to `max`. */
export function drawTokens(spread: Spread, { random, max }: { random: Random; max: number }): number {
  return Math.max(1, Math.min(max, Math.round(drawFrom(spread, random))))
}

/** Milliseconds until the first token, and until the last. */
export function drawDuration(
  { firstTokenMs, tokenMs, loadFactor, loadCalls }: Pace,
  { random, tokens, inFlight }: { random: Random; tokens: number; inFlight: number },
): { readonly firstMs: number; readonly wholeMs: number } {
  const load = 1 + (loadFactor * inFlight) / loadCalls
  const firstMs = drawFrom(firstTokenMs, random) * load
  return { firstMs: Math.round(firstMs), wholeMs: Math.round(firstMs + tokens * tokenMs * load) }
}
