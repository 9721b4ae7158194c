// Those of a shape who wait with the same points, in order, so that whoever is ahead of a place is counted quickly.
//
// CR1  Members are in order of (enqueuedAtMs, sequence), cut into chunks that know their totals; counting takes time in
//      the number of chunks, changing in the length of one.

import type { Waiting } from '../reservation.ts'
import { isEarlier, scoreAt } from './score.ts'

export const CHUNK_MAX = 128

/** A place in the order: a score and what decides between equal ones. */
export type Spot = { readonly score: number; readonly enqueuedAtMs: number; readonly sequence: number }

/** How many, and the units that they want by position in the demand. */
export type Total = { count: number; readonly units: number[] }

type Chunk = { readonly members: Waiting[]; readonly total: Total }

export class Crowd {
  readonly #points: number
  readonly #chunks: Chunk[] = []
  readonly #total: Total = { count: 0, units: [] }

  constructor(points: number) {
    this.#points = points
  }

  get isEmpty(): boolean {
    return this.#total.count === 0
  }

  add(waiting: Waiting): void {
    addOne(this.#total, waiting, 1)
    const at = Math.min(this.#chunkOf(waiting), this.#chunks.length - 1)
    const chunk = this.#chunks[at]
    if (chunk === undefined) {
      this.#chunks.push(chunkOf([waiting]))
      return
    }
    chunk.members.splice(placeIn(chunk, waiting), 0, waiting)
    addOne(chunk.total, waiting, 1)
    if (chunk.members.length <= CHUNK_MAX) return
    // Newcomers come last, so where the last chunk is cut, the one in front stays almost full.
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
    addOne(this.#total, waiting, -1)
    if (chunk.members.length === 1) {
      this.#chunks.splice(at, 1)
      return
    }
    chunk.members.splice(place, 1)
    addOne(chunk.total, waiting, -1)
  }

  /** Adds those who are ahead of `spot` at a time to `sum`. */
  countAhead(spot: Spot, nowMs: number, sum: Total): void {
    const isBehind = (member: Waiting | undefined): boolean =>
      member === undefined || !isAheadOf(this.#points, member, spot, nowMs)
    if (!isBehind(this.#chunks.at(-1)?.members.at(-1))) {
      addAll(sum, this.#total)
      return
    }
    for (const { members, total } of this.#chunks) {
      if (!isBehind(members.at(-1))) {
        addAll(sum, total)
        continue
      }
      for (const member of members) {
        if (isBehind(member)) return
        addOne(sum, member, 1)
      }
    }
  }

  /** Index of the first chunk whose last member is not earlier. */
  #chunkOf(waiting: Waiting): number {
    let [low, high] = [0, this.#chunks.length]
    while (low < high) {
      const middle = (low + high) >> 1
      const last = this.#chunks[middle]?.members.at(-1)
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

export function addOne(total: Total, { demand }: Waiting, sign: 1 | -1): void {
  total.count += sign
  for (let at = 0; at < demand.length; at += 1) {
    total.units[at] = (total.units[at] ?? 0) + sign * (demand[at]?.[1] ?? 0)
  }
}

function addAll(total: Total, more: Total): void {
  total.count += more.count
  for (let at = 0; at < more.units.length; at += 1) {
    total.units[at] = (total.units[at] ?? 0) + (more.units[at] ?? 0)
  }
}

function chunkOf(members: Waiting[]): Chunk {
  const total: Total = { count: 0, units: [] }
  for (const member of members) addOne(total, member, 1)
  return { members, total }
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
