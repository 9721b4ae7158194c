// What the state's plain form takes in bytes at the most, part by part, without writing it.
//
// BY1  Each that waits, each lane, each lease and each ending is weighed at the most that its tuple takes, with the
//      client's tuple and its places in the shares: when it comes, and the same when it goes. Names are ASCII.

import { SHARED } from '../domain/pool.ts'
import type { Demand } from '../domain/resource.ts'
import { isSame } from './amounts.ts'
import type { Blocking } from './effect.ts'
import type { Ending } from './endings.ts'
import type { Lane } from './order/lane.ts'
import { packedLength } from './packed-id.ts'
import type { Granted, Waiting } from './reservation.ts'

/** Of a time, of a difference of times or of a count with its sign; a comma follows each value. */
const TIME = 15
const COUNT = 17
const NULL = 5
/** Of the numbers of one that waits: what it waits for is told by a code, and so is the wait that was forecast. */
const CODES = 5 + 4
/** Of the name of a limit, the longest of which is a client's cap. */
const LIMIT_NAME = '"maxConcurrent",'.length
/** Of a client: its cap, its cost and the minute of it; of its place in a share: its tag. */
const CLIENT = 2 + NULL + 2 * COUNT
const FLOW = 3 + COUNT
/** Of a lane: its urgency, its boost and its lists. */
const LANE = 2 + '"urgent",'.length + NULL + 3 * '[],'.length
const BRACKETS = '[],'.length

export function memberBytes({ id, demand }: Pick<Waiting, 'id' | 'demand'>): number {
  const units = demand.reduce((sum, [, amount]) => sum + numberBytes(amount), 0)
  // Sequence, age, how long it may wait, its lease; what it needs, what is available, until when.
  return idBytes(id) + units + COUNT + 3 * TIME + CODES + neededBytes(demand) + COUNT + TIME
}

export function laneBytes(lane: {
  readonly resourceIds: readonly string[]
  readonly clientId: string
  readonly tier: string
}): number {
  const { resourceIds, clientId, tier } = lane
  const names = resourceIds.reduce((sum, id) => sum + nameBytes(id), BRACKETS)
  const flows = resourceIds.length * (nameBytes(clientId) + FLOW)
  return LANE + names + nameBytes(clientId) + nameBytes(tier) + flows + clientBytes(clientId)
}

export function laneBytesOf({ shape, client, tier }: Lane): number {
  return laneBytes({
    resourceIds: shape.accounts.map(({ resource }) => resource.id),
    clientId: client.id,
    tier,
  })
}

export function leaseBytes(granted: Granted): number {
  const { id, clientId, demand, pools, booked, waitedFor } = granted
  const held = heldBytes({ demand, pools, booked: isSame(booked, demand) ? null : booked })
  const times = 3 * TIME + 2 * COUNT
  return (
    BRACKETS +
    idBytes(id) +
    nameBytes(clientId) +
    held +
    times +
    waitedBytes(waitedFor) +
    clientBytes(clientId)
  )
}

export function endingBytes(id: string, ending: Ending): number {
  if (ending.kind !== 'lease-expired') return idBytes(id)
  return BRACKETS + idBytes(id) + TIME + nameBytes(ending.clientId) + heldBytes(ending)
}

type Held = {
  readonly demand: Demand
  readonly pools: readonly string[]
  readonly booked: Demand | null
}

function heldBytes({ demand, pools, booked }: Held): number {
  const isShared = pools.every((name) => name === SHARED)
  const named = pools.reduce((sum, name) => sum + nameBytes(name), BRACKETS)
  const taken = booked === null ? NULL : demandBytes(booked)
  return demandBytes(demand) + (isShared ? Math.max(NULL, named) : named) + taken
}

function waitedBytes(waitedFor: Blocking | null): number {
  if (waitedFor === null) return NULL
  const { resourceId, needed } = waitedFor
  return BRACKETS + nameBytes(resourceId) + LIMIT_NAME + numberBytes(needed) + COUNT + TIME
}

export function clientBytes(clientId: string): number {
  return CLIENT + nameBytes(clientId)
}

function demandBytes(demand: Demand): number {
  return demand.reduce((sum, [id, units]) => sum + BRACKETS + nameBytes(id) + numberBytes(units), BRACKETS)
}

/** One is needed at least, where a reservation counts as one. */
function neededBytes(demand: Demand): number {
  return demand.reduce((most, [, units]) => Math.max(most, numberBytes(units)), numberBytes(1))
}

function idBytes(id: string): number {
  return packedLength(id) + 3
}

function nameBytes(name: string): number {
  return name.length + 3
}

function numberBytes(whole: number): number {
  return String(whole).length + 1
}
