// How many tokens a call to a language model is charged and uses.

import { createHash } from 'node:crypto'
import type { ChargeRule } from './scenario.ts'

const CHARACTERS_PER_TOKEN = 4

export type Tokens = {
  readonly prompt: number
  /** Of the prompt, read from the provider's cache. */
  readonly cached: number
  readonly max: number
  /** Answers asked for. */
  readonly choices: number
  readonly completion: number
}

/** Prompt tokens from the characters of the messages, as providers estimate them before they tokenise. */
export function promptEstimate(messages: unknown): number {
  return Math.max(1, Math.ceil(JSON.stringify(messages ?? '').length / CHARACTERS_PER_TOKEN))
}

/** What is charged on arrival as `tokens`. */
export function chargedTokens(rule: ChargeRule, tokens: Tokens, declared: number | undefined): number {
  switch (rule) {
    case 'prompt-plus-max-tokens':
      return tokens.prompt + tokens.max * tokens.choices
    case 'input-only':
      return tokens.prompt
    case 'max-of-prompt-and-max-tokens':
      return Math.max(tokens.prompt, tokens.max)
    case 'declared':
      return declared ?? tokens.prompt + tokens.max
    default:
      return rule satisfies never
  }
}

/** Output of a call that does not say how much it will be: between a quarter and all of `max`, by its content. */
export function completionOf(content: unknown, max: number): number {
  const hash = createHash('sha256')
    .update(JSON.stringify(content ?? null))
    .digest()
    .readUInt32BE(0)
  const least = Math.ceil(max / 4)
  return least + (hash % (max - least + 1))
}
