// The waiting members of a lane as a flat array of numbers (I3).
//
// A member is: sequence and enqueuedAtMs less those of the member before, units by resource, then how long it may wait
// and its lease less those of the member before, then what it waits for: where, needed, available, untilMs less
// enqueuedAtMs (-1: unknown).
// `where`: 0 nothing, 1 its client's cap, 2 pause, else 3 + resource + resources * (0 closed, 1 + limit).

import type { Demand } from '../domain/resource.ts'
import { capName } from './client.ts'
import type { Blocking } from './effect.ts'
import type { Entry } from './queue.ts'
import type { Waiting } from './reservation.ts'

const UNKNOWN = -1
const NOTHING = 0
const CAP = 1
const PAUSE = 2
const FIRST_RESOURCE = 3
/** Numbers of a member beside its units. */
const FIXED_NUMBERS = 8

export type BlockingTuple = readonly [
  resourceId: string,
  limit: Blocking['limit'],
  needed: number,
  available: number,
  untilMs: number | null,
]

type Member = Omit<Entry, 'clientId' | 'tier' | 'urgency' | 'boost' | 'foreseen'>

type Flat = {
  readonly resources: readonly string[]
  readonly clientId: string
  readonly ids: readonly string[]
  readonly numbers: readonly number[]
}

export function encodeMembers(members: readonly Waiting[]): readonly number[] {
  const numbers: number[] = []
  let before = { sequence: 0, enqueuedAtMs: 0, waitUntilMs: 0, leaseMs: 0 }
  for (const member of members) {
    const { sequence, enqueuedAtMs, demand, blocking } = member
    const longerMs = maxWaitMs(member) - maxWaitMs(before)
    numbers.push(sequence - before.sequence, enqueuedAtMs - before.enqueuedAtMs)
    for (const [, units] of demand) numbers.push(units)
    numbers.push(longerMs, member.leaseMs - before.leaseMs)
    if (blocking === null) numbers.push(NOTHING, 0, 0, 0)
    else {
      const { needed, available, untilMs } = blocking
      numbers.push(
        whereOf(blocking, demand),
        needed,
        available,
        untilMs === null ? UNKNOWN : untilMs - enqueuedAtMs,
      )
    }
    before = member
  }
  return numbers
}

function maxWaitMs({ waitUntilMs, enqueuedAtMs }: Pick<Member, 'waitUntilMs' | 'enqueuedAtMs'>): number {
  return waitUntilMs - enqueuedAtMs
}

export function decodeMembers({ resources, clientId, ids, numbers }: Flat): readonly Member[] {
  const stride = FIXED_NUMBERS + resources.length
  let [sequence, enqueuedAtMs, waitMs, leaseMs] = [0, 0, 0, 0]
  return ids.map((id, index) => {
    const at = (offset: number): number => numbers[index * stride + offset] ?? 0
    sequence += at(0)
    enqueuedAtMs += at(1)
    const demand = resources.map((resourceId, nth) => [resourceId, at(2 + nth)] as const)
    const rest = 2 + resources.length
    waitMs += at(rest)
    leaseMs += at(rest + 1)
    const [where, until] = [at(rest + 2), at(rest + 5)]
    const measured = {
      needed: at(rest + 3),
      available: at(rest + 4),
      untilMs: until === UNKNOWN ? null : until + enqueuedAtMs,
    }
    const named = nameOf(where, resources, clientId)
    return {
      id,
      sequence,
      enqueuedAtMs,
      demand,
      waitUntilMs: enqueuedAtMs + waitMs,
      leaseMs,
      blocking: named === null ? null : { ...named, ...measured },
    }
  })
}

function whereOf({ resourceId, limit }: Blocking, demand: Demand): number {
  if (limit === 'maxConcurrent') return CAP
  if (limit === 'paused') return PAUSE
  const resource = demand.findIndex(([id]) => id === resourceId)
  return FIRST_RESOURCE + resource + demand.length * (limit === 'closed' ? 0 : 1 + limit)
}

function nameOf(
  where: number,
  resources: readonly string[],
  clientId: string,
): Pick<Blocking, 'resourceId' | 'limit'> | null {
  if (where === NOTHING) return null
  if (where === CAP) return { resourceId: capName(clientId), limit: 'maxConcurrent' }
  if (where === PAUSE) return { resourceId: resources[0] ?? '', limit: 'paused' }
  const code = where - FIRST_RESOURCE
  const resource = code % resources.length
  const limit = (code - resource) / resources.length
  return { resourceId: resources[resource] ?? '', limit: limit === 0 ? 'closed' : limit - 1 }
}

export function encodeBlocking({ resourceId, limit, needed, available, untilMs }: Blocking): BlockingTuple {
  return [resourceId, limit, needed, available, untilMs]
}

export function decodeBlocking([resourceId, limit, needed, available, untilMs]: BlockingTuple): Blocking {
  return { resourceId, limit, needed, available, untilMs }
}
