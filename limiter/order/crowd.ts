// Those of a shape who wait with the same points, in order, so that whoever is ahead of a place is counted quickly.
//
// C1  Members are in order of (enqueuedAtMs, sequence), cut into chunks that know their length and their sums; counting
//     takes time in the number of chunks, changing it in the length of one.

import type { Waiting } from '../reservation.ts'
import { isEarlier, scoreAt } from './score.ts'

export const CHUNK_MAX = 128

type Chunk = { readonly members: Waiting[]; readonly sums: number[] }

/** A place in the order: a score and what decides between equal ones. */
export type Spot = { readonly score: number; readonly enqueuedAtMs: number; readonly sequence: number }

/** How many go first, and the units that they want by position in the demand. */
export type Total = { count: number; readonly units: number[] }

export class Crowd {
  readonly #points: number
  readonly #chunks: Chunk[] = []

  constructor(points: number) {
    this.#points = points
  }

  get isEmpty(): boolean {
    return this.#chunks.length === 0
  }

  add(waiting: Waiting): void {
    const at = Math.min(this.#chunkOf(waiting), this.#chunks.length - 1)
    const chunk = this.#chunks[at]
    if (chunk === undefined) {
      this.#chunks.push(chunkOf([waiting]))
      return
    }
    chunk.members.splice(placeIn(chunk, waiting), 0, waiting)
    count(chunk, waiting, 1)
    if (chunk.members.length <= CHUNK_MAX) return
    // Newcomers come last, so the chunk in front is left almost full where the last one is cut.
    const keep = at === this.#chunks.length - 1 ? CHUNK_MAX - 8 : CHUNK_MAX / 2
    const { members } = chunk
    this.#chunks.splice(at, 1, chunkOf(members.slice(0, keep)), chunkOf(members.slice(keep)))
  }

  remove(waiting: Waiting): void {
    const at = this.#chunkOf(waiting)
    const chunk = this.#chunks[at]
    if (chunk === undefined) return
    const place = placeIn(chunk, waiting)
    if (chunk.members[place] !== waiting) return
    if (chunk.members.length === 1) this.#chunks.splice(at, 1)
    else {
      chunk.members.splice(place, 1)
      count(chunk, waiting, -1)
    }
  }

  /** Adds those who are ahead of `spot` at a time to `total`. */
  countAhead(spot: Spot, nowMs: number, total: Total): void {
    for (const { members, sums } of this.#chunks) {
      const last = members[members.length - 1]
      if (last !== undefined && isAheadOf(this.#points, last, spot, nowMs)) {
        total.count += members.length
        for (const [at, sum] of sums.entries()) total.units[at] = (total.units[at] ?? 0) + sum
        continue
      }
      for (const member of members) {
        if (!isAheadOf(this.#points, member, spot, nowMs)) return
        total.count += 1
        for (const [at, [, units]] of member.demand.entries())
          total.units[at] = (total.units[at] ?? 0) + units
      }
      return
    }
  }

  /** Index of the first chunk whose last member is not earlier. */
  #chunkOf(waiting: Waiting): number {
    let [low, high] = [0, this.#chunks.length]
    while (low < high) {
      const middle = (low + high) >> 1
      const members = this.#chunks[middle]?.members
      const last = members?.[members.length - 1]
      if (last !== undefined && isEarlier(last, waiting)) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** True where a member with those points goes before the spot. */
export function isAheadOf(points: number, member: Waiting, spot: Spot, nowMs: number): boolean {
  const score = scoreAt(points, member.enqueuedAtMs, nowMs)
  return score === spot.score ? isEarlier(member, spot) : score > spot.score
}

function chunkOf(members: Waiting[]): Chunk {
  const chunk: Chunk = { members, sums: [] }
  for (const member of members) count(chunk, member, 1)
  return chunk
}

function count({ sums }: Chunk, { demand }: Waiting, sign: 1 | -1): void {
  for (const [at, [, units]] of demand.entries()) sums[at] = (sums[at] ?? 0) + sign * units
}

function placeIn({ members }: Chunk, waiting: Waiting): number {
  let [low, high] = [0, members.length]
  while (low < high) {
    const middle = (low + high) >> 1
    const member = members[middle]
    if (member !== undefined && isEarlier(member, waiting)) low = middle + 1
    else high = middle
  }
  return low
}
