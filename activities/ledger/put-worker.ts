// Writes a worker.

import type { Worker } from '../../domain/worker.ts'
import type { Stored } from './change-config.ts'
import type { Sql } from './database.ts'
import { putDefinition } from './put-definition.ts'

export async function putWorker(sql: Sql, worker: Worker, actor: string): Promise<Stored> {
  return await putDefinition(sql, { kind: 'worker', id: worker.name, definition: worker }, actor)
}
