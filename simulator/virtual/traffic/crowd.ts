// Who sends: the clients of a population, their tiers, and how many of its requests each of them sends.

import type { Random } from '../random.ts'
import type { Population } from '../scenario.ts'

export type Client = { readonly id: string; readonly tier: string }

export type Crowd = {
  readonly clients: readonly Client[]
  /** The sender of the next request. */
  pick(random: Random): Client
}

export function openCrowd({ name, clients: count, tiers, top }: Population, random: Random): Crowd {
  const cast = shuffled(tiersOf(tiers, count), random)
  const clients = cast.map((tier, nth) => ({ id: `${name}-${nth + 1}`, tier }))
  const weights = weightsOf(count, top)
  return { clients, pick: (random) => clients[random.index(weights)] ?? { id: name, tier: '' } }
}

/** Tiers of so many clients, as near to the parts as whole clients can be. */
function tiersOf(parts: Readonly<Record<string, number>>, count: number): readonly string[] {
  const whole = Object.values(parts).reduce((sum, part) => sum + part, 0)
  let sum = 0
  return Object.entries(parts).flatMap(([tier, part]) => {
    const before = Math.round((sum * count) / whole)
    sum += part
    return Array.from({ length: Math.round((sum * count) / whole) - before }, () => tier)
  })
}

function shuffled<T>(list: readonly T[], random: Random): readonly T[] {
  return list
    .map((value) => ({ value, place: random.part() }))
    .sort((a, b) => a.place - b.place)
    .map(({ value }) => value)
}

/** Parts of all requests, by client: those between two marks of `top` send as many as each other. */
function weightsOf(count: number, top: Population['top']): readonly number[] {
  const weights: number[] = []
  let told = 0
  for (const [clients, part] of [...top, [count, 1] as const]) {
    const added = clients - weights.length
    for (let nth = 0; nth < added; nth += 1) weights.push((part - told) / added)
    told = part
  }
  return weights
}
