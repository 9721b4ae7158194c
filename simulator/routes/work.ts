// Any other service: the caller says what the call costs, what it really uses and how long it takes.

import { Router } from 'express'
import { z } from 'zod'
import type { Gate } from '../gate.ts'
import { DURATION_MS, findGroup, serveCall } from '../serve.ts'
import { parseBody } from './parse-body.ts'

const units = z.record(z.string(), z.int().nonnegative())
const work = z.strictObject({
  account: z.string().min(1),
  family: z.string().min(1).default('*'),
  units: units.default({}),
  /** Default: what it costs. */
  actual: units.optional(),
  durationMs: z.int().min(0).optional(),
})

export function workRoutes(gate: Gate): Router {
  const router = Router()
  router.post('/work', (request, response) => {
    const body = parseBody(work, request, response)
    if (body === undefined) return
    const { account, family, durationMs, actual = body.units } = body
    const group = findGroup(gate, response, { account, family })
    if (group === undefined) return
    if (durationMs !== undefined) request.headers[DURATION_MS] = String(durationMs)
    serveCall(
      { gate, group, request, response },
      {
        account,
        family,
        endpoint: '/work',
        cost: { requests: 1, ...body.units },
        actual,
        answer: { status: 200, body: { units: actual } },
      },
    )
  })
  return router
}
