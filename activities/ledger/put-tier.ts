// Writes a tier.

import type { Tier } from '../../domain/tier.ts'
import type { Stored } from './change-config.ts'
import type { Sql } from './database.ts'
import { putDefinition } from './put-definition.ts'

export async function putTier(sql: Sql, tier: Tier, actor: string): Promise<Stored> {
  return await putDefinition(sql, { kind: 'tier', id: tier.id, definition: tier }, actor)
}
