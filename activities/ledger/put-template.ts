// Writes a template.

import type { Template } from '../../domain/template.ts'
import type { Stored } from './change-config.ts'
import type { Sql } from './database.ts'
import { putDefinition } from './put-definition.ts'

export async function putTemplate(sql: Sql, template: Template, actor: string): Promise<Stored> {
  return await putDefinition(sql, { kind: 'template', id: template.name, definition: template }, actor)
}
