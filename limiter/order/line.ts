// Waiting reservations in the order of (enqueuedAtMs, sequence), so that whoever is ahead of a place is counted quickly.
//
// CR1  A tree whose nodes know how many are below them and what those want: adding, taking out and counting take time
//      in the logarithm of the length.

import type { Waiting } from '../reservation.ts'
import { isEarlier, scoreAt } from './score.ts'

/** Members of a leaf, and nodes of a branch. */
export const WIDTH_MAX = 32
/** Newcomers come last, so the node in front of a cut at the end stays almost full. */
const KEPT_AT_THE_END = 28

/** A place in the order: a score and what decides between equal ones. */
export type Spot = { readonly score: number; readonly enqueuedAtMs: number; readonly sequence: number }

/** How many, and the units that they want by position in the demand. */
export type Total = { count: number; readonly units: number[] }

type Bounds = {
  readonly total: Total
  /** Nobody below is later than this: it may have left since. */
  enqueuedAtMs: number
  sequence: number
  /** `enqueuedAtMs` of each member or node, side by side: a search touches nothing else but where two are equal. */
  readonly times: number[]
}
type Leaf = Bounds & { readonly kind: 'leaf'; readonly members: Waiting[] }
type Branch = Bounds & { readonly kind: 'branch'; readonly nodes: Node[] }
type Node = Leaf | Branch

export class Line {
  #root: Node = leafOf([])

  get length(): number {
    return this.#root.total.count
  }

  first(): Waiting | undefined {
    let node = this.#root
    while (node.kind === 'branch') {
      const [first] = node.nodes
      if (first === undefined) return undefined
      node = first
    }
    return node.members[0]
  }

  add(waiting: Waiting): void {
    const sibling = addTo(this.#root, waiting)
    if (sibling !== null) this.#root = branchOf([this.#root, sibling])
  }

  /** Nothing happens where it is not in. */
  remove(waiting: Waiting): void {
    removeFrom(this.#root, waiting)
    while (this.#root.kind === 'branch' && this.#root.nodes.length <= 1) {
      this.#root = this.#root.nodes[0] ?? leafOf([])
    }
  }

  members(): readonly Waiting[] {
    const all: Waiting[] = []
    collect(this.#root, all)
    return all
  }

  /** Adds those who are ahead of `spot` at a time, all of them with the same points, to `sum`; or takes them off. */
  countAhead(
    spot: Spot,
    { points, nowMs }: { points: number; nowMs: number },
    sum: Total,
    sign: 1 | -1,
  ): void {
    const isAhead = (one: Place): boolean => isAheadOf(points, one, spot, nowMs)
    let node = this.#root
    if (isAhead(node)) {
      addAll(sum, node.total, sign)
      return
    }
    while (node.kind === 'branch') {
      const at = firstNot(node.nodes, isAhead)
      for (let index = 0; index < at; index += 1) {
        const before = node.nodes[index]
        if (before !== undefined) addAll(sum, before.total, sign)
      }
      const next = node.nodes[at]
      if (next === undefined) return
      node = next
    }
    const ahead = firstNot(node.members, isAhead)
    for (let index = 0; index < ahead; index += 1) {
      const member = node.members[index]
      if (member !== undefined) addOne(sum, member, sign)
    }
  }
}

type Place = { readonly enqueuedAtMs: number; readonly sequence: number }

/** True where a member with those points goes before the spot. */
function isAheadOf(points: number, member: Place, spot: Spot, nowMs: number): boolean {
  const score = scoreAt(points, member.enqueuedAtMs, nowMs)
  return score === spot.score ? isEarlier(member, spot) : score > spot.score
}

/** Adds the member below the node; a node that became too wide gives up its later part. */
function addTo(node: Node, waiting: Waiting): Node | null {
  addOne(node.total, waiting, 1)
  if (isEarlier(node, waiting)) reach(node, waiting)
  const at = placeIn(node, waiting)
  if (node.kind === 'leaf') {
    node.members.splice(at, 0, waiting)
    node.times.splice(at, 0, waiting.enqueuedAtMs)
    return node.members.length > WIDTH_MAX ? divide(node, at) : null
  }
  const below = node.nodes[at]
  if (below === undefined) return null
  const sibling = addTo(below, waiting)
  node.times[at] = below.enqueuedAtMs
  if (sibling === null) return null
  node.nodes.splice(at + 1, 0, sibling)
  node.times.splice(at + 1, 0, sibling.enqueuedAtMs)
  return node.nodes.length > WIDTH_MAX ? divide(node, at + 1) : null
}

function removeFrom(node: Node, waiting: Waiting): boolean {
  const at = placeIn(node, waiting)
  if (node.kind === 'leaf') {
    if (node.members[at] !== waiting) return false
    node.members.splice(at, 1)
    node.times.splice(at, 1)
  } else {
    const below = node.nodes[at]
    if (below === undefined || !removeFrom(below, waiting)) return false
    if (below.total.count === 0) {
      node.nodes.splice(at, 1)
      node.times.splice(at, 1)
    }
  }
  addOne(node.total, waiting, -1)
  return true
}

/** Index of the first below the node that is not earlier; the last node where all are. */
function placeIn(node: Node, { enqueuedAtMs, sequence }: Waiting): number {
  const { times } = node
  const list: readonly Place[] = node.kind === 'leaf' ? node.members : node.nodes
  let [low, high] = [0, times.length]
  while (low < high) {
    const middle = (low + high) >> 1
    const timeMs = times[middle] ?? 0
    const isBefore =
      timeMs === enqueuedAtMs ? (list[middle]?.sequence ?? 0) < sequence : timeMs < enqueuedAtMs
    if (isBefore) low = middle + 1
    else high = middle
  }
  return node.kind === 'leaf' ? low : Math.min(low, times.length - 1)
}

/** Index of the first for which `holds` is false; it must hold for a beginning of the list only. */
function firstNot<One>(list: readonly One[], holds: (one: One) => boolean): number {
  let [low, high] = [0, list.length]
  while (low < high) {
    const middle = (low + high) >> 1
    const one = list[middle]
    if (one !== undefined && holds(one)) low = middle + 1
    else high = middle
  }
  return low
}

/** Takes the later part off a node that became too wide by what was put in at `at`. */
function divide(node: Node, at: number): Node {
  const { length } = node.kind === 'leaf' ? node.members : node.nodes
  const kept = at === length - 1 ? KEPT_AT_THE_END : length >> 1
  const later = node.kind === 'leaf' ? leafOf(node.members.splice(kept)) : branchOf(node.nodes.splice(kept))
  node.times.length = kept
  addAll(node.total, later.total, -1)
  reach(node, node.kind === 'leaf' ? node.members.at(-1) : node.nodes.at(-1))
  return later
}

function leafOf(members: Waiting[]): Leaf {
  const times = members.map(({ enqueuedAtMs }) => enqueuedAtMs)
  const leaf: Leaf = { kind: 'leaf', members, ...newBounds(times) }
  for (const member of members) addOne(leaf.total, member, 1)
  reach(leaf, members.at(-1))
  return leaf
}

function branchOf(nodes: Node[]): Branch {
  const branch: Branch = {
    kind: 'branch',
    nodes,
    ...newBounds(nodes.map(({ enqueuedAtMs }) => enqueuedAtMs)),
  }
  for (const node of nodes) addAll(branch.total, node.total, 1)
  reach(branch, nodes.at(-1))
  return branch
}

function newBounds(times: number[]): Bounds {
  return { total: { count: 0, units: [] }, enqueuedAtMs: 0, sequence: 0, times }
}

function reach(node: Node, last: Place | undefined): void {
  if (last === undefined) return
  node.enqueuedAtMs = last.enqueuedAtMs
  node.sequence = last.sequence
}

function collect(node: Node, all: Waiting[]): void {
  if (node.kind === 'leaf') all.push(...node.members)
  else for (const below of node.nodes) collect(below, all)
}

function addOne(total: Total, { demand }: Waiting, sign: 1 | -1): void {
  total.count += sign
  for (let at = 0; at < demand.length; at += 1) {
    total.units[at] = (total.units[at] ?? 0) + sign * (demand[at]?.[1] ?? 0)
  }
}

function addAll(total: Total, more: Total, sign: 1 | -1): void {
  total.count += sign * more.count
  for (let at = 0; at < more.units.length; at += 1) {
    total.units[at] = (total.units[at] ?? 0) + sign * (more.units[at] ?? 0)
  }
}
