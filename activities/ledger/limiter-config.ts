// What the limiter is told of the configuration, from one moment.

import type { Resource } from '../../domain/resource.ts'
import type { Tier } from '../../domain/tier.ts'
import type { Queries } from './database.ts'

export type LimiterConfig = {
  readonly version: number
  readonly resources: Readonly<Record<string, Resource>>
  readonly tiers: Readonly<Record<string, Pick<Tier, 'points' | 'weight'>>>
}

export async function limiterConfig(sql: Queries): Promise<LimiterConfig> {
  const [row] = await sql<[LimiterConfig]>`
    select
      (select version from config) as version,
      (select coalesce(jsonb_object_agg(id, definition), '{}') from resource) as resources,
      (select coalesce(jsonb_object_agg(id, jsonb_build_object(
         'points', definition -> 'points', 'weight', definition -> 'weight')), '{}') from tier) as tiers`
  return { version: row.version, resources: row.resources, tiers: row.tiers }
}
