// The worker `echo`, which is always registered where the sample workers run: for first steps, tools and tests.

import type { Sql } from '../activities/ledger/database.ts'
import { putWorker } from '../activities/ledger/put-worker.ts'
import { readWorker } from '../activities/ledger/read-config.ts'
import type { Worker } from '../domain/worker.ts'

/** Its `sleepMs` may be long: it is called with a patience of ten minutes. */
const TIMEOUT_MS = 600_000

/** Registers it at its address of this start; one that is there already stays as it is. */
export async function registerEcho(sql: Sql, sampleWorkerUrl: string): Promise<void> {
  const base = `${sampleWorkerUrl}/workers/echo`
  const known = await readWorker(sql, 'echo')
  if (known?.target.kind === 'http' && known.target.executeUrl === `${base}/execute`) return
  const echo: Worker = {
    name: 'echo',
    version: '1.0',
    capabilities: ['work'],
    typical: {},
    maximum: {},
    target: {
      kind: 'http',
      executeUrl: `${base}/execute`,
      healthUrl: `${base}/health`,
      cancelUrl: `${base}/cancel`,
    },
    timeoutMs: TIMEOUT_MS,
    expectedMs: null,
    retryPolicy: { maxAttempts: 3, backoffMs: [200, 1_000] },
    planned: false,
  }
  await putWorker(sql, echo, 'npm start')
}
