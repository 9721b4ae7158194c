// The simulated providers as one HTTP application.

import express, { type ErrorRequestHandler, type Express } from 'express'
import type { Clock } from './clock.ts'
import { openGate } from './gate.ts'
import type { Log } from './log.ts'
import { adminRoutes } from './routes/admin.ts'
import { batchRoutes } from './routes/batches.ts'
import { languageRoutes } from './routes/language.ts'
import { mediaRoutes } from './routes/media.ts'
import { messagingRoutes } from './routes/messaging.ts'
import { workRoutes } from './routes/work.ts'
import type { Scenario } from './scenario.ts'

const BODY_LIMIT = '1mb'

export function createSimulator(options: { scenario: Scenario; clock: Clock; log: Log }): Express {
  const { scenario, log } = options
  const gate = openGate(options)
  const app = express()
  app.disable('x-powered-by')
  app.disable('etag')
  app.use(express.json({ limit: BODY_LIMIT }))
  app.get('/health', (_request, response) => {
    response.json({ status: 'ok', scenario: gate.scenario.name, lastSeq: gate.lastSeq })
  })
  app.use(languageRoutes(gate), batchRoutes(gate), messagingRoutes(gate), mediaRoutes(gate), workRoutes(gate))
  app.use(adminRoutes({ gate, log, standard: scenario }))
  app.use((request, response) => {
    response.status(404).json({ error: { message: `no such endpoint: ${request.method} ${request.path}` } })
  })
  app.use(onError)
  return app
}

/** A body that is no JSON, or too large, has its own status; anything else is a fault of the simulator. */
const onError: ErrorRequestHandler = (error: unknown, _request, response, next) => {
  if (response.headersSent) return next(error)
  const status = statusOf(error)
  response.status(status).json({ error: { message: error instanceof Error ? error.message : String(error) } })
  if (status >= 500) console.error(error)
}

function statusOf(error: unknown): number {
  const isTold = typeof error === 'object' && error !== null && 'status' in error
  return isTold && typeof error.status === 'number' ? error.status : 500
}
