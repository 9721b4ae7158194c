import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Json } from '../../domain/failure.ts'
import {
  COUNTED_MAX,
  declaredOutput,
  extrapolated,
  piecesOf,
  textOf,
  tokensByLength,
} from '../../domain/tokens.ts'

describe('T1: the text of an input', () => {
  test('is its strings and numbers, in their order', () => {
    const input = { topic: 'tides', words: 300, deep: [{ note: 'moon' }, null, true] }
    expect(textOf(input)).toEqual({ text: 'tides\n300\nmoon', length: 12 })
  })

  test('is cut where it is long, and counted in proportion', () => {
    const counted = textOf(['a'.repeat(COUNTED_MAX), 'b'.repeat(COUNTED_MAX)])
    expect(counted.text.length).toBe(COUNTED_MAX)
    expect(counted.length).toBe(2 * COUNTED_MAX)
    expect(extrapolated(counted, 1_000)).toBe(2_000)
    expect(extrapolated({ text: 'abc', length: 3 }, 7)).toBe(7)
  })

  test('of whatever depth', () => {
    let deep: Json = 'end'
    for (let depth = 0; depth < 50_000; depth += 1) deep = [deep]
    expect(textOf(deep)).toEqual({ text: 'end', length: 3 })
  })
})

test('by its length a text has rather too many tokens than too few', () => {
  expect(tokensByLength({ text: 'nine char', length: 9 })).toBe(3)
  expect(tokensByLength({ text: 'ab漢字', length: 4 })).toBe(5)
  expect(tokensByLength({ text: 'abcd', length: 400 })).toBe(100)
})

test('T2: no piece has an unbroken run of more than 512, and the pieces are the text', () => {
  const run = fc.tuple(fc.constantFrom('a', '漢', ' ', '\n', '😀', 'é'), fc.nat(2_000))
  fc.assert(
    fc.property(fc.array(run, { maxLength: 6 }), (runs) => {
      const text = runs.map(([letter, count]) => letter.repeat(count)).join('')
      const pieces = piecesOf(text)
      expect(pieces.join('')).toBe(text)
      for (const piece of pieces) expect(/\S{513}|\s{513}/u.test(piece)).toBe(false)
    }),
  )
})

describe('T3: the declared output is the greatest of all that is declared', () => {
  test.each<[sentence: string, input: Json, want: number | null]>([
    ['nothing', { topic: 'tides' }, null],
    ['one', { max_tokens: 50 }, 50],
    [
      'two, of which the greater one counts (LiteLLM PR#37001)',
      { max_tokens: 1, max_completion_tokens: 10_000 },
      10_000,
    ],
    ['in the words of others', { generationConfig: { maxOutputTokens: 2_048 } }, 2_048],
    ['in a list of calls', [{ max_output_tokens: 5 }, { max_output_tokens: 7 }], 7],
    ['times the answers', { max_tokens: 100, n: 3, best_of: 4 }, 400],
    ['what is no limit is none', { max_tokens: '100', max_output_tokens: -1, maxTokens: 0.5 }, null],
    ['answers that are no count change nothing', { max_tokens: 100, n: -3 }, 100],
    ['more than anything answers is no limit', { max_tokens: 1e15 }, null],
  ])('%s', (_sentence, input, want) => {
    expect(declaredOutput(input)).toBe(want)
  })
})
