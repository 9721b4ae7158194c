// What a test or an operator of the simulator does: see and set the limits, read the log, begin anew.

import { Router } from 'express'
import type { Gate } from '../gate.ts'
import type { Log } from '../log.ts'
import { scenarioSchema, type Scenario } from '../scenario.ts'
import { parseBody } from './parse-body.ts'

/** `standard` is what a reset goes back to. */
export function adminRoutes({ gate, log, standard }: { gate: Gate; log: Log; standard: Scenario }): Router {
  const router = Router()

  router.get('/admin/scenario', (_request, response) => {
    response.json(gate.scenario)
  })

  router.put('/admin/scenario', (request, response) => {
    const scenario = parseBody(scenarioSchema, request, response)
    if (scenario === undefined) return
    gate.load(scenario)
    response.json(scenario)
  })

  /** NDJSON, oldest first; `?after=SEQ` for what came since. */
  router.get('/admin/log', (request, response) => {
    const after = Number(request.query['after'] ?? 0)
    if (!Number.isInteger(after) || after < 0) {
      response.status(400).json({ error: { message: 'after: expected the seq of an entry' } })
      return
    }
    response.type('application/x-ndjson').set('x-simulator-dropped', String(log.droppedCount))
    for (const entry of log.after(after)) response.write(`${JSON.stringify(entry)}\n`)
    response.end()
  })

  /** The standard limits, nothing charged. */
  router.post('/admin/reset', (_request, response) => {
    gate.reset(standard)
    response.json({ scenario: standard.name })
  })

  return router
}
