// Weighted fairness among those that waited: Jain's index, and the lag behind the fluid fair share.
//
// J1  A client counts in a window of 10 minutes where it had somebody waiting in every moment of it.
// J2  A tier's weight is divided among its clients that count, as the guaranteed share does.
// J3  The fluid share gives every unit of service to all that wait, by these weights; lag is counted while a client
//     waits, anew each time it comes back, and is told in largest requests.
// J4  Who comes back in the moment in which it was served has waited all the time.

import type { Fact } from '../facts.ts'
import { costMs, ratesOf, type Rate } from '../rates.ts'
import type { Figures } from './figure.ts'

export const FAIR_WINDOW_MS = 600_000

type Client = {
  readonly tier: string
  waiting: number
  /** Waited all the time since the window began. */
  isConstant: boolean
  windowCost: number
  /** The fluid share of each client of its tier when it began to wait, and what it was served since. */
  fluidFrom: number
  served: number
}

type Tier = { readonly weight: number; waiting: number; fluid: number }

export function openFairness(
  weights: Readonly<Record<string, { readonly weight: number }>>,
  startMs: number,
) {
  const tiers = new Map<string, Tier>(
    Object.entries(weights).map(([id, { weight }]) => [id, { weight, waiting: 0, fluid: 0 }]),
  )
  const clients = new Map<string, Client>()
  let rates: ReadonlyMap<string, Rate> = new Map()
  let windowEndsMs = startMs + FAIR_WINDOW_MS
  const lowest = { all: null as number | null, inTier: null as number | null }
  /** Those that wait no more since this moment. */
  const leaving = new Set<Client>()
  let momentMs = startMs
  let largest = 0
  let lag = 0

  function clientOf(id: string, tier: string): Client {
    const known = clients.get(id)
    if (known !== undefined) return known
    const client = { tier, waiting: 0, isConstant: false, windowCost: 0, fluidFrom: 0, served: 0 }
    clients.set(id, client)
    return client
  }

  function closeWindows(atMs: number): void {
    for (; atMs >= windowEndsMs; windowEndsMs += FAIR_WINDOW_MS) {
      const counted = [...clients.values()].filter(({ isConstant, waiting }) => isConstant && waiting > 0)
      const shares = [...tiers].map(([id, { weight }]) => {
        const of = counted.filter(({ tier }) => tier === id)
        return of.map(({ windowCost }) => (windowCost * of.length) / weight)
      })
      lowest.all = least(lowest.all, jain(shares.flat()))
      for (const share of shares) lowest.inTier = least(lowest.inTier, jain(share))
      for (const client of clients.values()) {
        client.windowCost = 0
        client.isConstant = client.waiting > 0
      }
    }
  }

  /** The lag grows until a client is served: it is the most just before, or when it waits no more. */
  function look(client: Client): void {
    const fluid = (tiers.get(client.tier)?.fluid ?? 0) - client.fluidFrom
    lag = Math.max(lag, fluid - client.served)
  }

  function share(cost: number): void {
    const busy = [...tiers.values()].filter(({ waiting }) => waiting > 0)
    const whole = busy.reduce((sum, { weight }) => sum + weight, 0)
    for (const tier of busy) tier.fluid += (cost * tier.weight) / whole / tier.waiting
  }

  function join(client: Client): void {
    client.waiting += 1
    if (client.waiting > 1 || leaving.delete(client)) return
    const tier = tiers.get(client.tier)
    if (tier !== undefined) tier.waiting += 1
    client.fluidFrom = tier?.fluid ?? 0
    client.served = 0
  }

  function leave(client: Client): void {
    client.waiting -= 1
    if (client.waiting === 0) leaving.add(client)
  }

  /** J4. */
  function closeMoment(atMs: number): void {
    if (atMs === momentMs) return
    momentMs = atMs
    for (const client of leaving) {
      look(client)
      client.isConstant = false
      const tier = tiers.get(client.tier)
      if (tier !== undefined) tier.waiting -= 1
    }
    leaving.clear()
  }

  return {
    note(fact: Fact): void {
      closeMoment(fact.atMs)
      closeWindows(fact.atMs)
      switch (fact.kind) {
        case 'configured':
          rates = ratesOf(fact.resources)
          return
        case 'queued':
          return join(clientOf(fact.request.clientId, fact.request.tier))
        case 'granted': {
          const { clientId, tier, demand } = fact.request
          const cost = costMs(demand, rates)
          const client = clientOf(clientId, tier)
          largest = Math.max(largest, cost)
          share(cost)
          look(client)
          client.served += cost
          client.windowCost += cost
          if (fact.waited) leave(client)
          return
        }
        case 'left':
          if (fact.waited) leave(clientOf(fact.request.clientId, fact.request.tier))
          return
        case 'over':
          for (const client of clients.values()) if (client.waiting > 0) look(client)
          return
        case 'asked':
        case 'ended':
          return
        default:
          return fact satisfies never
      }
    },
    figures(): Figures {
      return {
        jain: lowest.all,
        'jain-in-tier': lowest.inTier,
        lag: largest === 0 ? null : lag / largest,
      }
    },
  }
}

/** (sum x)^2 / (n sum x^2): 1 where all are equal, 1/n where one has all; null of fewer than two. */
export function jain(values: readonly number[]): number | null {
  if (values.length < 2) return null
  const sum = values.reduce((total, value) => total + value, 0)
  const squares = values.reduce((total, value) => total + value * value, 0)
  return squares === 0 ? null : (sum * sum) / (values.length * squares)
}

function least(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return a ?? b
  return Math.min(a, b)
}
