// Admission: facts in, a draft or a refusal out. What it may hold is decided next (hold.ts), under locks.
//
// A1  A refusal is found in this order: the client, what is asked for, whether it can ever fit, its price, its
//     highest cost, the queues; budgets come last. The first one is told.
// A2  An urgency above the client's `priorityMax` is lowered, never refused.
// A3  The longest wait counts from the start of waiting, is bounded by the resources, and by the deadline.

import type { WorkerCall } from './admission.ts'
import type { Ask, ExecutionAsk } from './ask.ts'
import { concurrencyOf, type Client } from './client.ts'
import { estimateOf, type DemandSource, type Known } from './estimate.ts'
import type { Refusal } from './failure.ts'
import type { NanoUsd } from './money.ts'
import { carve, impossibleIn, type Asker } from './pool.ts'
import { priceDemand, type Prices } from './price.ts'
import { cappedUrgency, priorityOf, type Urgency } from './priority.ts'
import * as refusals from './refusals.ts'
import { RESOURCE_DEFAULTS, type Demand } from './resource.ts'
import type { Template } from './template.ts'
import type { Tier } from './tier.ts'
import type { Worker } from './worker.ts'

/** What the ledger knows of the names in an ask; null or absent where it knows nothing. */
export type Facts = Known & {
  readonly configVersion: number
  readonly client: Client | null
  readonly tier: Tier | null
  readonly prices: Prices
}

/** A plan without its identity, before its holds are taken. */
export type Draft = {
  readonly client: Client
  readonly tier: Tier
  readonly maxConcurrent: number | null
  readonly urgency: Urgency
  readonly demand: Demand
  readonly demandFrom: DemandSource
  readonly deferUntilMs: number | null
  readonly waitUntilMs: number
  /** How long it may wait again after a grant was given back. */
  readonly longestWaitMs: number
  readonly leaseMs: number
  readonly deadlineMs: number | null
  readonly estimatedNanoUsd: NanoUsd
  readonly configVersion: number
  readonly call: WorkerCall | null
}

export type Judgement =
  { readonly kind: 'draft'; readonly draft: Draft } | { readonly kind: 'refused'; readonly refusal: Refusal }

/** The lease of an execution goes on this long after its worker's timeout; the activity renews it. */
export const LEASE_MARGIN_MS = 45_000
const QUEUE_FULL_RETRY_MS = 5_000
const DEFAULT_ACTION = 'execute'

export function judge(ask: Ask, facts: Facts, atMs: number): Judgement {
  const { client, tier, template, worker } = facts
  if (client === null) return refused(refusals.unknown('client', ask.clientId))
  if (tier === null) return refused(refusals.unknown('tier', client.tier))
  const call = ask.kind === 'execution' ? callOf(ask, { client, tier, template, worker }) : null
  if (call?.kind === 'refused') return call

  const urgency = cappedUrgency(ask.urgency, client.priorityMax)
  const asker = { clientId: client.id, urgency }
  const { demand, from } = estimateOf(ask, facts, asker)
  const no = refusalOfDemand(demand, facts, asker)
  if (no !== null) return refused(no)
  const cost = costOfAsk(ask, demand, facts.prices, pricedAtMs(ask, atMs))
  if (cost.kind === 'refused') return cost
  const times = timesOf(ask, demand, facts, atMs)
  if (times.deadlineMs !== null && times.deadlineMs <= (times.deferUntilMs ?? atMs)) {
    return refused(refusals.invalid('the deadline passes before the request may start'))
  }
  const draft: Draft = {
    client,
    tier,
    maxConcurrent: concurrencyOf(client, tier),
    urgency,
    demand,
    demandFrom: from,
    ...times,
    leaseMs: ask.kind === 'reservation' ? ask.ttlMs : (call?.call.timeoutMs ?? 0) + LEASE_MARGIN_MS,
    estimatedNanoUsd: cost.nanoUsd,
    configVersion: facts.configVersion,
    call: call?.call ?? null,
  }
  return { kind: 'draft', draft }
}

/** When the prices are taken: at admission, or when the deferral ends (P1). */
export function pricedAtMs(ask: Ask, atMs: number): number {
  return Math.max(atMs, (ask.kind === 'execution' ? ask.deferUntilMs : null) ?? atMs)
}

type Refused = { readonly kind: 'refused'; readonly refusal: Refusal }

function refused(refusal: Refusal): Refused {
  return { kind: 'refused', refusal }
}

type Names = {
  readonly client: Client
  readonly tier: Tier
  readonly template: Template | null
  readonly worker: Worker | null
}

function callOf(
  ask: ExecutionAsk,
  { client, tier, template, worker }: Names,
): Refused | { readonly kind: 'call'; readonly call: WorkerCall } {
  if (ask.template !== null && template === null) return refused(refusals.unknown('template', ask.template))
  const name = ask.worker ?? template?.worker
  if (name === undefined) return refused(refusals.invalid('one of `template` and `worker` is required'))
  if (worker === null) return refused(refusals.unknown('worker', name))
  if (worker.planned) {
    return refused(refusals.unknown('worker', name, `the worker "${name}" is planned and takes no work yet`))
  }
  const urgency = cappedUrgency(ask.urgency, client.priorityMax)
  const call: WorkerCall = {
    worker: worker.name,
    action: ask.action ?? template?.action ?? worker.capabilities[0] ?? DEFAULT_ACTION,
    input: ask.input,
    target: worker.target,
    timeoutMs: worker.timeoutMs,
    expectedMs: template?.expectedMs ?? worker.expectedMs,
    retryPolicy: worker.retryPolicy,
    priority: priorityOf({ tier: tier.points, urgency, waitedMs: 0, fairness: 0, boost: 0 }).score,
  }
  return { kind: 'call', call }
}

/** Unknown names first, then what can never fit the pools that the asker may use. */
function refusalOfDemand(demand: Demand, { resources }: Facts, asker: Asker): Refusal | null {
  for (const [id, units] of demand) {
    if (resources[id] === undefined) return refusals.unknown('resource', id)
    if (units < 1) return refusals.invalid(`the demand of "${id}" is ${units}, expected at least 1 unit`)
  }
  for (const [id, units] of demand) {
    const resource = resources[id]
    const found = resource === undefined ? null : impossibleIn(carve(resource), units, asker)
    if (found !== null) return refusals.impossible(id, found)
  }
  return null
}

/** A reservation may bring its own cost; everything else is priced by its demand. */
function costOfAsk(
  ask: Ask,
  demand: Demand,
  prices: Prices,
  pricedMs: number,
): Refused | { readonly kind: 'cost'; readonly nanoUsd: NanoUsd } {
  if (ask.kind === 'reservation' && ask.costNanoUsd !== null)
    return { kind: 'cost', nanoUsd: ask.costNanoUsd }
  const priced = priceDemand(demand, prices, { atMs: pricedMs, freeUnits: {} })
  if (priced.kind === 'unknown-price') return refused(refusals.unknownPrice(priced.resourceId))
  const max = ask.kind === 'execution' ? ask.maxCostNanoUsd : null
  if (max !== null && priced.totalNanoUsd > max) return refused(refusals.costLimit(priced.totalNanoUsd, max))
  return { kind: 'cost', nanoUsd: priced.totalNanoUsd }
}

/** The refusal of one more that waits, or null. `waiting` as the ledger counts: it is told at once; the limiter counts exactly. */
export function refusalOfQueues(
  demand: Demand,
  { resources }: Pick<Facts, 'resources'>,
  waiting: Readonly<Record<string, number>>,
): Refusal | null {
  for (const [id] of demand) {
    const maxQueue = resources[id]?.maxQueue ?? 0
    const count = waiting[id] ?? 0
    if (count > 0 && count >= maxQueue) return refusals.queueFull(id, maxQueue, QUEUE_FULL_RETRY_MS)
  }
  return null
}

type Times = Pick<Draft, 'deferUntilMs' | 'waitUntilMs' | 'longestWaitMs' | 'deadlineMs'>

function timesOf(ask: Ask, demand: Demand, { resources }: Facts, atMs: number): Times {
  const asked = ask.kind === 'execution' ? ask.deferUntilMs : null
  const deferUntilMs = asked !== null && asked > atMs ? asked : null
  const deadlineMs = ask.kind === 'execution' ? ask.deadlineMs : null
  const waits = demand.map(([id]) => resources[id]?.maxWaitMs ?? RESOURCE_DEFAULTS.maxWaitMs)
  const boundMs = waits.length === 0 ? RESOURCE_DEFAULTS.maxWaitMs : Math.min(...waits)
  const longestWaitMs = Math.min(ask.maxWaitMs ?? boundMs, boundMs)
  const waitUntilMs = Math.min((deferUntilMs ?? atMs) + longestWaitMs, deadlineMs ?? Number.MAX_SAFE_INTEGER)
  return { deferUntilMs, waitUntilMs, longestWaitMs, deadlineMs }
}
