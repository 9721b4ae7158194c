// OpenAI's batches: accepted at once, done some time within a day, and counted by what is queued until then.
//
// Half of all batches are done in 7 minutes and nine of ten in an hour, as was measured over 230,000 of them.

import { Router, type Request, type Response } from 'express'
import { z } from 'zod'
import { conductOf } from '../conduct.ts'
import type { Cost, Gate } from '../gate.ts'
import { accountOf, findGroup } from '../serve.ts'
import { styleOf } from '../styles/style-of.ts'
import { parseBody } from './parse-body.ts'

const DAY_MS = 86_400_000
const BATCHES_MAX = 10_000

const batch = z.looseObject({
  endpoint: z.string().default('/v1/chat/completions'),
  input_file_id: z.string().default('sim-file'),
  completion_window: z.literal('24h').default('24h'),
  /** Stand for the file: its lines, and the tokens that they may use. */
  requests: z.int().min(1).default(1),
  tokens: z.int().min(0).default(0),
})

type Batch = {
  readonly id: string
  readonly told: z.infer<typeof batch>
  readonly createdMs: number
  readonly completesMs: number
  readonly end: (actual: Cost) => void
  cancelledMs: number | null
}

export function batchRoutes(gate: Gate): Router {
  const router = Router()
  const batches = new Map<string, Batch>()

  router.post('/v1/batches', (request, response) => {
    const told = parseBody(batch, request, response)
    if (told === undefined) return
    const group = findGroup(gate, response, { account: accountOf(request, 'openai'), family: 'batch' })
    if (group === undefined) return
    endDue()
    const cost = { 'batch-requests': told.requests, 'batch-tokens': told.tokens }
    const verdict = gate.decide({ group, endpoint: request.path, cost })
    if (verdict.kind === 'rejected') {
      const units = cost['batch-requests']
      const { status, headers, body } = styleOf(group).reject(verdict, { family: 'batch', units })
      response.set(headers).status(status).json(body)
      return
    }
    const createdMs = verdict.atMs
    const completesMs = createdMs + Math.min(DAY_MS, conductOf(group).batchMs())
    const id = `batch_${gate.nextId()}`
    const made: Batch = { id, told, createdMs, completesMs, end: verdict.end, cancelledMs: null }
    if (batches.size >= BATCHES_MAX) batches.delete(batches.keys().next().value ?? id)
    batches.set(id, made)
    response.json(viewOf(made, gate.nowMs()))
  })

  router.get('/v1/batches/:id', (request, response) => {
    endDue()
    answer(request, response)
  })

  router.post('/v1/batches/:id/cancel', (request, response) => {
    const found = batches.get(request.params.id)
    if (found !== undefined && gate.nowMs() < found.completesMs) {
      found.cancelledMs ??= gate.nowMs()
      found.end({})
    }
    answer(request, response)
  })

  return router

  function answer(request: Request<{ id: string }>, response: Response): void {
    const found = batches.get(request.params.id)
    if (found === undefined)
      response.status(404).json({ error: { message: `no batch ${request.params.id}` } })
    else response.json(viewOf(found, gate.nowMs()))
  }

  /** What is done is queued no longer. */
  function endDue(): void {
    const nowMs = gate.nowMs()
    for (const { completesMs, told, end } of batches.values()) {
      if (completesMs <= nowMs) end({ 'batch-requests': told.requests, 'batch-tokens': told.tokens })
    }
  }
}

function viewOf({ id, told, createdMs, completesMs, cancelledMs }: Batch, nowMs: number) {
  const isDone = nowMs >= completesMs
  const part = Math.min(1, (nowMs - createdMs) / Math.max(1, completesMs - createdMs))
  return {
    id,
    object: 'batch',
    endpoint: told.endpoint,
    input_file_id: told.input_file_id,
    completion_window: told.completion_window,
    status: cancelledMs !== null ? 'cancelled' : isDone ? 'completed' : 'in_progress',
    created_at: Math.floor(createdMs / 1_000),
    completed_at: isDone && cancelledMs === null ? Math.floor(completesMs / 1_000) : null,
    request_counts: { total: told.requests, completed: Math.floor(part * told.requests), failed: 0 },
  }
}
