// Writes a resource.

import type { Resource } from '../../domain/resource.ts'
import type { Stored } from './change-config.ts'
import type { Sql } from './database.ts'
import { putDefinition } from './put-definition.ts'

export async function putResource(sql: Sql, resource: Resource, actor: string): Promise<Stored> {
  return await putDefinition(sql, { kind: 'resource', id: resource.id, definition: resource }, actor)
}
