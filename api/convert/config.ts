// Configuration between the wire and the domain.

import { RESOURCE_DEFAULTS, type Pools, type Resource } from '../../domain/resource.ts'
import type { Template } from '../../domain/template.ts'
import type { Tier } from '../../domain/tier.ts'
import type { Worker, WorkerTarget } from '../../domain/worker.ts'
import type { ResourceBody, TemplateBody, TierBody, WorkerBody } from '../schema/config.ts'
import { limitFrom, limitTo, toFraction, toParts } from './limit.ts'

export function resourceFrom(id: string, body: ResourceBody): Resource {
  const limits = body.limits.map((limit) => limitFrom(limit, body.unit))
  const pools = mapPools(body.pools, toParts)
  return { id, ...body, limits, pools, guaranteedShare: toParts(body.guaranteedShare) }
}

function mapValues(record: Readonly<Record<string, number>>, to: (value: number) => number) {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, to(value)]))
}

export function resourceTo(resource: Resource): ResourceBody {
  const { id: _, ...given } = resource
  const { chargeRejected, guaranteedShare } = RESOURCE_DEFAULTS
  const { pools = NO_POOLS, ...body } = { chargeRejected, guaranteedShare, ...given }
  return {
    ...body,
    limits: body.limits.map(limitTo),
    pools: mapPools(pools, toFraction),
    guaranteedShare: toFraction(body.guaranteedShare),
  }
}

function mapPools({ reserved, dedicated, lending }: Pools, to: (part: number) => number) {
  const pools = { reserved: to(reserved), dedicated: mapValues(dedicated, to) }
  if (lending === undefined) return pools
  return { ...pools, lending: { reserved: to(lending.reserved), dedicated: to(lending.dedicated) } }
}

const NO_POOLS: Pools = { reserved: 0, dedicated: {} }

export function tierFrom(id: string, body: TierBody): Tier {
  return { id, ...body }
}

export function tierTo({ id: _, ...body }: Tier): TierBody {
  return body
}

export function templateTo({ name: _, ...body }: Template): TemplateBody {
  const resources = body.resources === null ? null : { ...body.resources }
  return { ...body, models: [...body.models], resources }
}

export function workerFrom(name: string, body: WorkerBody): Worker {
  const { resourceRequirements, endpoints: _, ...rest } = body
  return { name, ...rest, ...resourceRequirements, target: targetFrom(body) }
}

function targetFrom({ endpoints }: WorkerBody): WorkerTarget {
  if (endpoints === undefined) return { kind: 'nowhere' }
  const { execute: executeUrl, health: healthUrl, cancel: cancelUrl } = endpoints
  return { kind: 'http', executeUrl, healthUrl, cancelUrl }
}

export function workerTo({ name: _, typical, maximum, target, ...rest }: Worker): WorkerBody {
  const resourceRequirements = { typical: { ...typical }, maximum: { ...maximum } }
  return {
    ...rest,
    capabilities: [...rest.capabilities],
    retryPolicy: { ...rest.retryPolicy, backoffMs: [...rest.retryPolicy.backoffMs] },
    resourceRequirements,
    ...targetTo(target),
  }
}

function targetTo(target: WorkerTarget): Pick<WorkerBody, 'endpoints'> {
  if (target.kind === 'nowhere') return {}
  return { endpoints: { execute: target.executeUrl, health: target.healthUrl, cancel: target.cancelUrl } }
}
