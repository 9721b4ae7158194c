// A change of configuration: first in the ledger, then known to the limiter, then answered.
//
// C1  When the answer goes out, every later decision uses the change: the limiter has told that it applied it.
// C2  What is sent is everything that the limiter needs to know, not only the change: versions may overtake each
//     other, and an older one is ignored.

import { readAppliedVersion } from '../activities/ledger/applied-version.ts'
import { limiterConfig } from '../activities/ledger/limiter-config.ts'
import type { Resource } from '../domain/resource.ts'
import type { Configure } from '../limiter/event.ts'
import { availability } from '../limiter/view.ts'
import { DECISION_TIMEOUT_MS, nowMs, type ApiContext } from './context.ts'
import { overTemporal } from './faults.ts'
import { unavailable } from './problem.ts'

/** What the ledger's configuration does not show (any more). */
export type Gone = {
  readonly resources?: readonly string[]
  readonly tiers?: readonly string[]
  readonly clients?: Configure['clients']
}

/** The name under which the limiter's word on a version is announced. */
export function configAnnouncement(version: number): string {
  return `config:${version}`
}

/** Resolves when the limiter decides by the ledger's configuration of now. Throws `unavailable` where it does not answer. */
export async function applyToLimiter(context: ApiContext, gone: Gone = {}): Promise<void> {
  const { sql, announcements, operations, decisionTimeoutMs = DECISION_TIMEOUT_MS } = context
  const config = await limiterConfig(sql)
  const known = availability(await context.limiterView(), nowMs(context)).map(({ id }) => id)
  const removed = [...(gone.resources ?? []), ...known].filter((id) => !Object.hasOwn(config.resources, id))
  const resources: Record<string, Resource | null> = { ...config.resources }
  for (const id of removed) resources[id] = null
  const tiers: Record<string, Configure['tiers'][string]> = { ...config.tiers }
  for (const id of gone.tiers ?? []) if (!Object.hasOwn(config.tiers, id)) tiers[id] = null
  const { version } = config
  await overTemporal(() =>
    operations.send({ kind: 'configure', version, resources, tiers, clients: gone.clients ?? {} }),
  )
  const isApplied = async () => ((await readAppliedVersion(sql)) >= version ? true : null)
  if ((await announcements.waitFor(configAnnouncement(version), isApplied, decisionTimeoutMs)) === null) {
    throw unavailable(`version ${version} is stored, but the limiter has not confirmed it yet`)
  }
}
