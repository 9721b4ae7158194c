// How much was made of several resources together, beside the best that any order could have made of them.
//
// X1  Time counts in which every population had somebody waiting, ten minutes at a time, so that what buckets held at
//     its beginning is little.
// X2  The best is a linear programme: how many of each population, in fractions, so that no limit is passed and the sum
//     of the parts of all resources is the most. Nobody's turn and no request's wholeness is asked for.

import { solve } from 'yalps'
import type { Resource } from '../../../domain/resource.ts'
import type { Fact } from '../facts.ts'
import { costOf, rateOf } from '../rates.ts'
import type { Figures } from './figure.ts'
import { FAIR_WINDOW_MS } from './fairness.ts'

/** What one request takes of each of its resources: units, and slots times the time they are held. */
type Taken = { units: number; slotMs: number }
type Population = {
  waiting: number
  granted: number
  grants: number
  ended: number
  readonly takes: Map<string, Taken>
}

export function openMix(names: readonly string[], startMs: number) {
  const populations = new Map<string, Population>(
    names.map((name) => [name, { waiting: 0, granted: 0, grants: 0, ended: 0, takes: new Map() }]),
  )
  let resources: readonly Resource[] = []
  let momentMs = startMs
  let windowEndsMs = startMs + FAIR_WINDOW_MS
  let isWhole = false
  let wholeMs = 0
  /** Granted in whole windows. */
  const counted = new Map<string, number>()

  /** What waits changes within a moment; only what it is at its end counts. */
  function closeMoment(atMs: number): void {
    if (atMs === momentMs) return
    momentMs = atMs
    const everybodyWaits = [...populations.values()].every(({ waiting }) => waiting > 0)
    isWhole &&= everybodyWaits
    for (; atMs >= windowEndsMs; windowEndsMs += FAIR_WINDOW_MS) {
      for (const [name, population] of populations) {
        if (isWhole) counted.set(name, (counted.get(name) ?? 0) + population.granted)
        population.granted = 0
      }
      if (isWhole) wholeMs += FAIR_WINDOW_MS
      isWhole = everybodyWaits
    }
  }

  return {
    note(fact: Fact): void {
      closeMoment(fact.atMs)
      if (fact.kind === 'configured') resources = fact.resources
      if (!('request' in fact)) return
      const { demand, population: name } = fact.request
      const population = populations.get(name)
      if (population === undefined) return
      switch (fact.kind) {
        case 'queued':
          population.waiting += 1
          return
        case 'left':
          if (fact.waited) population.waiting -= 1
          return
        case 'granted':
          if (fact.waited) population.waiting -= 1
          population.granted += 1
          population.grants += 1
          for (const [id, units] of demand) takenOf(population, id).units += units
          return
        case 'ended':
          population.ended += 1
          for (const [id] of demand) takenOf(population, id).slotMs += fact.atMs - fact.grantedAtMs
          return
        case 'asked':
          return
        default:
          return fact satisfies never
      }
    },
    figures(): Figures {
      if (names.length < 2 || wholeMs === 0) return {}
      const variables = [...populations].map(([name, population]) => [name, needsOf(population)] as const)
      const worth = (needs: ReadonlyMap<string, number>): number =>
        [...needs.values()].reduce((sum, need) => sum + need, 0)
      const { result } = solve({
        direction: 'maximize',
        objective: 'worth',
        constraints: new Map(
          [...new Set(variables.flatMap(([, needs]) => [...needs.keys()]))].map((key) => [
            key,
            { max: wholeMs },
          ]),
        ),
        variables: new Map(
          variables.map(([name, needs]) => [name, new Map([...needs, ['worth', worth(needs)]])]),
        ),
      })
      const granted = variables.reduce(
        (sum, [name, needs]) => sum + (counted.get(name) ?? 0) * worth(needs),
        0,
      )
      return { 'lp-use': result > 0 ? granted / result : null }
    },
  }

  /** Mean time, by limit, for which one request takes all of it. */
  function needsOf({ takes, grants, ended }: Population): ReadonlyMap<string, number> {
    const needs = new Map<string, number>()
    for (const { id, limits, jitterMs } of resources) {
      const taken = takes.get(id)
      if (taken === undefined) continue
      const cost = costOf(taken.units / grants, rateOf({ limits, jitterMs }))
      if (cost > 0) needs.set(id, cost)
      for (const limit of limits) {
        if (limit.type !== 'concurrency') continue
        const slots = limit.per === 'unit' ? taken.units / grants : 1
        needs.set(`${id} slots`, (slots * taken.slotMs) / ended / limit.slots)
      }
    }
    return needs
  }
}

function takenOf({ takes }: Population, id: string): Taken {
  const known = takes.get(id)
  if (known !== undefined) return known
  const taken = { units: 0, slotMs: 0 }
  takes.set(id, taken)
  return taken
}
