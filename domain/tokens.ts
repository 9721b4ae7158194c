// What an input says about tokens: the text that is counted, and the output that it declares.
//
// T1  All strings and numbers of an input are its text. Beyond `COUNTED_MAX` characters it is counted in proportion.
// T2  Unbroken runs are cut before they are counted: byte-pair encoding takes quadratic time for them, and one hostile
//     input would hold up everybody.
// T3  The declared output is the greatest of all output limits in the input, whatever API they are written for, times
//     the number of answers: whoever says two of them may get the greater one.

import type { Json } from './failure.ts'

export const COUNTED_MAX = 262_144
const RUN_MAX = 512
/** Where nobody could count: o200k has about four characters of English a token, and of rare scripts two tokens each. */
const CHARACTERS_PER_TOKEN = 4
const TOKENS_PER_OTHER = 2
const ASCII_MAX = 0x7f
const OUTPUT_LIMITS: ReadonlySet<string> = new Set([
  'max_tokens',
  'max_completion_tokens',
  'max_output_tokens',
  'max_tokens_to_sample',
  'max_new_tokens',
  'num_predict',
  'maxTokens',
  'maxCompletionTokens',
  'maxOutputTokens',
])
const ANSWER_COUNTS = ['n', 'best_of', 'candidateCount'] as const
const ANSWERS_MAX = 128

export type CountedText = {
  /** At most `COUNTED_MAX` characters. */
  readonly text: string
  /** Characters of the whole. */
  readonly length: number
}

/** T1. */
export function textOf(input: Json): CountedText {
  const texts: string[] = []
  let length = 0
  for (const value of leavesOf(input)) {
    if (typeof value !== 'string' && typeof value !== 'number') continue
    const text = String(value)
    if (length < COUNTED_MAX) texts.push(text.slice(0, COUNTED_MAX - length))
    length += text.length
  }
  return { text: texts.join('\n'), length }
}

/** T2: the same text in pieces that a tokenizer counts in linear time. */
export function piecesOf(text: string): readonly string[] {
  return text.split(RUNS).filter((piece) => piece !== '')
}

const RUNS = new RegExp(`(\\S{${RUN_MAX}}|\\s{${RUN_MAX}})`, 'u')

/** Tokens of the whole by those of the part that was counted (T1). */
export function extrapolated({ text, length }: CountedText, tokens: number): number {
  return length <= text.length ? tokens : Math.ceil((tokens * length) / text.length)
}

/** Of the whole by the length alone: rather too many than too few. */
export function tokensByLength(counted: CountedText): number {
  const { text } = counted
  let others = 0
  for (let at = 0; at < text.length; at += 1) if (text.charCodeAt(at) > ASCII_MAX) others += 1
  const tokens = Math.ceil((text.length - others) / CHARACTERS_PER_TOKEN) + others * TOKENS_PER_OTHER
  return extrapolated(counted, tokens)
}

/** T3; null where the input declares none. */
export function declaredOutput(input: Json): number | null {
  let most: number | null = null
  for (const value of nodesOf(input)) {
    if (!isObject(value)) continue
    const limits = Object.entries(value).flatMap(([name, limit]) =>
      OUTPUT_LIMITS.has(name) && isCount(limit) ? [limit] : [],
    )
    if (limits.length === 0) continue
    const answers = ANSWER_COUNTS.map((name) => value[name]).filter((count) => isCount(count))
    const declared = Math.max(...limits) * Math.min(ANSWERS_MAX, Math.max(1, ...answers))
    most = Math.max(declared, most ?? 0)
  }
  return most
}

/** More than any model answers, and far from where products of counts stop being exact. */
const OUTPUT_MAX = 1_000_000_000

function isCount(value: Json | undefined): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= OUTPUT_MAX
}

function isObject(value: Json): value is { readonly [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function leavesOf(input: Json): readonly Json[] {
  return nodesOf(input).filter((value) => typeof value !== 'object')
}

/** Every value of the input in its order, itself the first; without recursion, however deep it is. */
function nodesOf(input: Json): readonly Json[] {
  const nodes: Json[] = []
  const open: Json[] = [input]
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    nodes.push(value)
    if (typeof value === 'object' && value !== null) {
      for (const inner of Object.values<Json>(value).reverse()) open.push(inner)
    }
  }
  return nodes
}
