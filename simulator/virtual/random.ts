// Chance, from a seed: the same seed draws the same, and streams of different names draw apart from each other, so that
// a change of the one traffic leaves the others as they were.

import { createHash } from 'node:crypto'
import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64'
import { uniformInt } from 'pure-rand/distribution/uniformInt'
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus'

export type Random = {
  /** A whole number from `least` to `most`, both included. */
  between(least: number, most: number): number
  /** 0 <= x < 1. */
  part(): number
  /** Of mean 1: times between independent happenings. */
  exponential(): number
  /** Of mean 0 and deviation 1. */
  normal(): number
  /** An index, as often as its weight says. */
  index(weights: readonly number[]): number
}

export function randomFrom(seed: number, stream: string): Random {
  const source = xoroshiro128plus(createHash('sha256').update(`${seed} ${stream}`).digest().readInt32BE(0))
  const part = (): number => uniformFloat64(source)
  return {
    between: (least, most) => uniformInt(source, least, most),
    part,
    exponential: () => -Math.log(1 - part()),
    normal: () => Math.sqrt(-2 * Math.log(1 - part())) * Math.cos(2 * Math.PI * part()),
    index(weights) {
      let point = part() * weights.reduce((sum, weight) => sum + weight, 0)
      const found = weights.findIndex((weight) => (point -= weight) < 0)
      return found === -1 ? weights.length - 1 : found
    },
  }
}
