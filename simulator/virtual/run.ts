// A scenario on virtual time: arrivals become events of the limiter, its grants reach the providers after any delay up
// to J, holders work, report and sometimes die. The limiter is used through its door alone.
//
// V1  The same scenario, seed and limiter give the same facts: nothing here asks the machine for time or chance.
// V2  A grant reaches each of its resources after a delay of its own, from 0 to that resource's J.
// V3  A holder that dies has made its call: the provider's part ends in time, and the limiter is never told.

import { resourceFrom } from '../../api/convert/config.ts'
import { fromDemand, type Demand, type Resource } from '../../domain/resource.ts'
import type { Effect, Granted } from '../../limiter/effect.ts'
import type { LimiterEvent } from '../../limiter/event.ts'
import { createState, UNBOUNDED_BYTES, type LimiterState } from '../../limiter/state.ts'
import { nextWakeMs, step } from '../../limiter/step.ts'
import type { Verdict } from '../checker.ts'
import { openAgenda, type Agenda } from './agenda.ts'
import type { Asked, Fact } from './facts.ts'
import { openProviders, type Providers } from './provider.ts'
import { randomFrom, type Random } from './random.ts'
import type { Change, Scenario } from './scenario.ts'
import { beliefOf, type Suspect } from './suspect.ts'
import { openSource, type Sent, type Source } from './traffic/source.ts'

export type Simulation = {
  readonly scenario: Scenario
  readonly seed: number
  readonly hours: number
  readonly suspect: Suspect
  readonly note: (fact: Fact) => void
  /** Looks at the limiter at the beginning, and so many times until the end. */
  readonly samples: { readonly count: number; readonly look: (state: LimiterState, atMs: number) => void }
  /** After every happening: how much of the time has passed, 0 to 1. */
  readonly onStep: (passed: number) => void
}

const HOUR_MS = 3_600_000

type Request = {
  readonly asked: Asked
  readonly sent: Sent
  /** It could not be granted at once. */
  waited: boolean
  grantedAtMs: number | null
}

type World = {
  readonly agenda: Agenda
  readonly state: LimiterState
  readonly providers: Providers
  readonly random: Random
  readonly simulation: Simulation
  /** Those that wait or hold a lease. */
  readonly requests: Map<string, Request>
  resources: readonly Resource[]
  asked: number
  version: number
  armedForMs: number | null
}

/** Runs it to its end, and has the referee judge what arrived at the providers. */
export function simulate(simulation: Simulation): Verdict {
  const { scenario, seed, hours, note, samples, onStep } = simulation
  const startMs = Date.parse(scenario.start)
  const endMs = startMs + Math.round(hours * HOUR_MS)
  const agenda = openAgenda(startMs)
  const resources = Object.entries(scenario.resources).map(([id, body]) => resourceFrom(id, body))
  const world: World = {
    agenda,
    state: createState(UNBOUNDED_BYTES),
    providers: openProviders(resources, () => agenda.nowUs),
    random: randomFrom(seed, 'delays'),
    simulation,
    requests: new Map(),
    resources,
    asked: 0,
    version: 0,
    armedForMs: null,
  }
  configure(world)
  for (const change of scenario.changes) agenda.at(startMs + change.atMs, () => apply(world, change))
  for (const population of scenario.populations) {
    const untilMs = Math.min(endMs, startMs + (population.untilMs ?? Infinity))
    const source = openSource({ population, resources, seed, startMs })
    agenda.at(startMs + population.fromMs, () => source.first.forEach((sent) => ask(world, sent)))
    follow(world, source, untilMs)
  }
  for (let nth = 0; nth <= samples.count; nth += 1) {
    const atMs = Math.round(startMs + ((endMs - startMs) * nth) / samples.count)
    agenda.at(atMs, () => samples.look(world.state, atMs))
  }
  agenda.runUntil(endMs, () => onStep((agenda.nowMs - startMs) / (endMs - startMs)))
  const waiting = [...world.requests.values()].filter(({ grantedAtMs }) => grantedAtMs === null)
  note({ kind: 'over', atMs: endMs, waiting: waiting.map(({ asked }) => asked) })
  return world.providers.judge()
}

function follow(world: World, source: Source, untilMs: number): void {
  const atMs = source.nextAtMs()
  if (atMs === null || atMs >= untilMs) return
  world.agenda.at(atMs, () => {
    ask(world, source.send())
    follow(world, source, untilMs)
  })
}

function ask(world: World, sent: Sent): void {
  const { agenda, simulation, requests } = world
  const { population, clientId, tier, urgency, demand, maxWaitMs, leaseMs } = sent
  const atMs = agenda.nowMs
  const id = `r${(world.asked += 1)}`
  const asked: Asked = { id, population, clientId, tier, urgency, demand, askedAtMs: atMs }
  requests.set(id, { asked, sent, waited: false, grantedAtMs: null })
  simulation.note({ kind: 'asked', atMs, request: asked })
  tell(world, {
    kind: 'reserve',
    ...{ atMs, id, clientId, tier, urgency, demand, leaseMs },
    maxConcurrent: null,
    enqueuedAtMs: atMs,
    waitUntilMs: atMs + maxWaitMs,
  })
}

/** The only way to the limiter; afterwards it is woken when it wishes. */
function tell(world: World, event: LimiterEvent): void {
  for (const effect of step(world.state, event)) obey(world, effect)
  const { agenda } = world
  const wakeMs = nextWakeMs(world.state)
  if (wakeMs === null) return
  const atMs = Math.max(wakeMs, agenda.nowMs + 1)
  if (world.armedForMs !== null && world.armedForMs <= atMs) return
  world.armedForMs = atMs
  agenda.at(atMs, () => {
    if (world.armedForMs !== atMs) return
    world.armedForMs = null
    tell(world, { kind: 'tick', atMs })
  })
}

function obey(world: World, effect: Effect): void {
  switch (effect.kind) {
    case 'granted':
      return deliver(world, effect)
    case 'queued': {
      const request = world.requests.get(effect.id)
      if (request === undefined) return
      const { atMs, etaMs } = effect
      request.waited = true
      return world.simulation.note({ kind: 'queued', atMs, request: request.asked, etaMs })
    }
    case 'rejected':
    case 'timed-out': {
      const request = world.requests.get(effect.id)
      if (request === undefined) return
      world.requests.delete(effect.id)
      const { asked, waited } = request
      world.simulation.note({ kind: 'left', atMs: effect.atMs, request: asked, waited })
      return replace(world, request)
    }
    case 'lease-expired':
      return end(world, effect.id, [])
    case 'cancelled':
    case 'settled':
    case 'extended':
    case 'ignored':
    case 'configured':
    case 'limit-observed':
    case 'paused':
      return
    default:
      return effect satisfies never
  }
}

/** V2. */
function deliver(world: World, { id, atMs }: Granted): void {
  const { agenda, random, requests, simulation, resources } = world
  const request = requests.get(id)
  if (request === undefined) return
  request.grantedAtMs = atMs
  simulation.note({ kind: 'granted', atMs, request: request.asked, waited: request.waited })
  replace(world, request)

  const { demand, used, holdMs } = request.sent
  const calls: { readonly resourceId: string; readonly end: (units: number) => void }[] = []
  let lastMs = atMs
  for (const [resourceId, units] of demand) {
    const jitterMs = resources.find((one) => one.id === resourceId)?.jitterMs ?? 0
    const arrivesMs = atMs + random.between(0, jitterMs * 1_000) / 1_000
    lastMs = Math.max(lastMs, arrivesMs)
    agenda.at(arrivesMs, () => {
      const call = world.providers.call(resourceId, units)
      if (call !== null) calls.push({ resourceId, ...call })
    })
  }
  const units = fromDemand(used)
  agenda.at(lastMs + holdMs, () => {
    for (const call of calls) call.end(units[call.resourceId] ?? 0)
    if (!request.sent.dies) report(world, request)
  })
}

function replace(world: World, { asked, sent }: Request): void {
  const next = sent.source.replace(asked)
  if (next !== null) world.agenda.at(world.agenda.nowMs, () => ask(world, next))
}

/** The holder tells what it used; it takes a while to arrive. */
function report(world: World, { asked, sent }: Request): void {
  const { agenda, simulation, random } = world
  const atMs = Math.ceil(agenda.nowUs / 1_000) + random.between(0, simulation.scenario.returnMs)
  agenda.at(atMs, () => {
    tell(world, { kind: 'settle', atMs, id: asked.id, actual: sent.used })
    end(world, asked.id, refundOf(world, sent))
  })
}

function end({ requests, agenda, simulation }: World, id: string, refunded: Demand): void {
  const request = requests.get(id)
  if (request === undefined || request.grantedAtMs === null) return
  requests.delete(id)
  simulation.note({
    kind: 'ended',
    atMs: agenda.nowMs,
    request: request.asked,
    grantedAtMs: request.grantedAtMs,
    refunded,
  })
}

/** What counts no more, negative where more was used than asked for. */
function refundOf({ resources }: World, { demand, used }: Sent): Demand {
  const units = fromDemand(used)
  return demand.map(([id, asked]) => {
    const unused = asked - (units[id] ?? 0)
    const isRefunded = unused < 0 || resources.find((one) => one.id === id)?.refund === 'at-settle'
    return [id, isRefunded ? unused : 0]
  })
}

function configure(world: World): void {
  const { agenda, simulation, resources } = world
  const atMs = agenda.nowMs
  world.version += 1
  tell(world, {
    kind: 'configure',
    atMs,
    version: world.version,
    resources: Object.fromEntries(
      resources.map((resource) => [resource.id, beliefOf(simulation.suspect, resource)]),
    ),
    tiers: simulation.scenario.tiers,
    clients: {},
  })
  simulation.note({ kind: 'configured', atMs, resources })
}

function apply(world: World, { atMs, providerAtMs, limits }: Change): void {
  const { agenda, simulation } = world
  const startMs = Date.parse(simulation.scenario.start)
  world.resources = world.resources.map((resource) => {
    const body = simulation.scenario.resources[resource.id]
    const changed = limits[resource.id]
    if (body === undefined || changed === undefined) return resource
    return resourceFrom(resource.id, { ...body, limits: changed })
  })
  const after = world.resources
  const jitterMs = Math.max(0, ...after.map((resource) => resource.jitterMs))
  agenda.at(startMs + (providerAtMs ?? atMs + jitterMs), () => world.providers.configure(after))
  configure(world)
}
