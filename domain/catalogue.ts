// Everything that is configured, as one desired state.

import type { Budget } from './budget.ts'
import type { Client } from './client.ts'
import type { Price } from './price.ts'
import type { Resource } from './resource.ts'
import type { Template } from './template.ts'
import type { Tier } from './tier.ts'
import type { Worker } from './worker.ts'

export type Catalogue = {
  readonly resources: readonly Resource[]
  readonly tiers: readonly Tier[]
  readonly clients: readonly Client[]
  readonly templates: readonly Template[]
  readonly workers: readonly Worker[]
  /** Of all scopes, those of the clients among them. */
  readonly budgets: readonly Budget[]
  readonly prices: readonly Omit<Price, 'id'>[]
}
