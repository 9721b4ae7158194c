// Requests of one population, one after the other.
//
// A1  A source draws from its own stream of chance: other populations do not change what it sends.
// A2  Where clients keep so many waiting, the next one comes when one of them has been granted or has left.

import type { Demand, Resource } from '../../../domain/resource.ts'
import { toDemand } from '../../../domain/resource.ts'
import type { TraceRow } from '../../../examples/replay/trace.ts'
import { URGENCIES } from '../../../domain/priority.ts'
import { randomFrom } from '../random.ts'
import { costMs, ratesOf } from '../rates.ts'
import type { Population } from '../scenario.ts'
import type { Asked } from '../facts.ts'
import { drawAmount, meanAmount } from './amounts.ts'
import { openCrowd, type Client } from './crowd.ts'
import { loadTrace, rowsOf } from './trace.ts'

export type Sent = Omit<Asked, 'id' | 'askedAtMs'> & {
  readonly used: Demand
  readonly holdMs: number
  /** Its holder is never heard of again. */
  readonly dies: boolean
  readonly maxWaitMs: number
  readonly leaseMs: number
  readonly source: Source
}

export type Source = {
  /** When the next one comes; null where it waits for one of its own to be served (A2). */
  nextAtMs(): number | null
  /** The one that comes now. */
  send(): Sent
  /** All that come at the beginning, where clients keep some waiting. */
  readonly first: readonly Sent[]
  /** The one that takes the place of one that waits no more (A2); null where there is none. */
  replace(gone: Asked): Sent | null
}

/** Sizes that clients ask for, because nobody knows before how much will be generated. */
const OUTPUT_SIZES = [64, 128, 256, 512, 1_024, 2_048, 4_096, 8_192]

type Options = {
  readonly population: Population
  readonly resources: readonly Resource[]
  readonly seed: number
  readonly startMs: number
}

export function openSource({ population, resources, seed, startMs }: Options): Source {
  const { name, arrivals, fromMs, holdMs, dies, maxWaitMs, leaseMs, uses } = population
  const random = randomFrom(seed, name)
  const crowd = openCrowd(population, randomFrom(seed, `${name} clients`))
  const urgencies = URGENCIES.map((urgency) => population.urgency[urgency] ?? 0)
  const rows =
    arrivals.kind === 'trace' ? rowsOf(loadTrace(arrivals.file), arrivals.speed, random) : undefined
  const next = timesOf({ arrivals, meanMs: meanGapMs(population, resources), random })
  let row: TraceRow | undefined
  let atMs = 0

  const source: Source = {
    nextAtMs() {
      if (arrivals.kind === 'backlog') return null
      row = rows?.next().value
      atMs = row === undefined ? next(atMs) : row.atMs
      return startMs + fromMs + atMs
    },
    send: () => sendOf(crowd.pick(random)),
    get first() {
      if (arrivals.kind !== 'backlog') return []
      return crowd.clients.flatMap((client) => Array.from({ length: arrivals.keep }, () => sendOf(client)))
    },
    replace: ({ clientId, tier }) => (arrivals.kind === 'backlog' ? sendOf({ id: clientId, tier }) : null),
  }

  function sendOf(client: Client): Sent {
    const { asked, used } = draw()
    return {
      population: name,
      clientId: client.id,
      tier: client.tier,
      urgency: URGENCIES[random.index(urgencies)] ?? 'normal',
      demand: toDemand(asked),
      used: toDemand(used),
      holdMs: drawAmount(holdMs, random),
      dies: random.part() < dies,
      maxWaitMs,
      leaseMs,
      source,
    }
  }

  function draw() {
    const asked: Record<string, number> = {}
    const used: Record<string, number> = {}
    const [least, most] = uses
    const factor = least * (most / least) ** random.part()
    for (const [id, units] of Object.entries(population.demand)) {
      if (typeof units === 'string') {
        const tokens = tokensOf(row, units)
        asked[id] = tokens.asked
        used[id] = tokens.used
      } else {
        asked[id] = drawAmount(units, random)
        used[id] = Math.max(1, Math.round(asked[id] * factor))
      }
    }
    return { asked, used }
  }
  return source
}

function tokensOf(row: TraceRow | undefined, which: 'tokens' | 'input-tokens' | 'output-tokens') {
  const input = which === 'output-tokens' ? 0 : (row?.contextTokens ?? 1)
  const generated = which === 'input-tokens' ? 0 : (row?.generatedTokens ?? 0)
  const output = generated === 0 ? 0 : (OUTPUT_SIZES.find((size) => size >= generated) ?? generated)
  return { asked: Math.max(1, input + output), used: Math.max(1, input + generated) }
}

/** Mean time between requests that ask for the whole of the scarcest resource; 0 where a trace says when they come. */
function meanGapMs({ demand }: Population, resources: readonly Resource[]): number {
  const means = Object.entries(demand).flatMap(([id, units]) =>
    typeof units === 'string' ? [] : [[id, meanAmount(units)] as const],
  )
  return costMs(means, ratesOf(resources))
}

type Times = {
  readonly arrivals: Population['arrivals']
  readonly meanMs: number
  readonly random: { exponential(): number }
}

/** From the time of one request to that of the next. */
function timesOf({ arrivals, meanMs, random }: Times): (atMs: number) => number {
  switch (arrivals.kind) {
    case 'poisson':
      return (atMs) => atMs + (random.exponential() * meanMs) / arrivals.load
    case 'on-off': {
      const { onMs, offMs, load } = arrivals
      let busyMs = 0
      return () => {
        busyMs += (random.exponential() * meanMs) / load
        return busyMs + Math.floor(busyMs / onMs) * offMs
      }
    }
    case 'every':
      return (atMs) => atMs + arrivals.everyMs
    case 'backlog':
    case 'trace':
      return (atMs) => atMs
    default:
      return arrivals satisfies never
  }
}
