// The sample workers as one HTTP application: the worker protocol at /workers/<name>/{execute,health,cancel}.

import express, { type ErrorRequestHandler, type Express, type Response } from 'express'
import { z } from 'zod'
import { openCallLog, now } from './call-log.ts'
import { badInput, callSchema, type Call, type Outcome, type Work } from './call.ts'
import { echoWork } from './echo.ts'
import { openIdempotency } from './idempotency.ts'
import { ECHO, SAMPLE_WORKERS } from './names.ts'
import { sampleWork } from './sample-work.ts'

const BODY_LIMIT = '1mb'
const cancelSchema = z.looseObject({ requestId: z.string().min(1) })

export function createWorkers({ simulatorUrl }: { simulatorUrl: string }): Express {
  const works = new Map<string, Work>([[ECHO, echoWork()]])
  for (const worker of SAMPLE_WORKERS) works.set(worker, sampleWork({ worker, simulatorUrl }))
  const idempotency = openIdempotency()
  const log = openCallLog()
  /** Running work, by worker and request. */
  const running = new Map<string, AbortController>()

  const app = express()
  app.disable('x-powered-by')
  app.disable('etag')
  app.use(express.json({ limit: BODY_LIMIT }))

  app.get('/health', (_request, response) => {
    response.json({ status: 'ok', workers: [...works.keys()] })
  })
  app.get('/calls', (_request, response) => {
    response.json({ items: log.list(), cursor: null })
  })
  app.param('name', (_request, response, next, name: string) => {
    if (works.has(name)) next()
    else response.status(404).json({ error: `no worker ${name}; there are ${[...works.keys()].join(', ')}` })
  })
  app.get('/workers/:name/health', (request, response) => {
    response.json({ status: 'ok', worker: request.params.name, running: running.size })
  })

  app.post('/workers/:name/execute', async (request, response) => {
    const { name } = request.params
    const work = works.get(name)
    const parsed = callSchema.safeParse(request.body)
    if (!parsed.success || work === undefined) {
      send(response, badInput(parsed.error ?? new z.ZodError([]), ''), {
        requestId: null,
        beganMs: Date.now(),
      })
      return
    }
    const call = parsed.data
    const { requestId, attempt } = call
    const key = request.get('idempotency-key') ?? `${requestId}#${attempt}`
    const beganMs = Date.now()
    const logged = log.begin({ worker: name, requestId, attempt, key })
    const { outcome, isReplay } = idempotency.run(`${name} ${key}`, () => runWork(name, { work, call }))
    logged.isReplay = isReplay
    const result = await outcome
    logged.endedAt = now()
    logged.result = result.kind === 'crash' ? 'crash' : result.status
    if (isReplay) response.set('idempotent-replayed', 'true')
    send(response, result, { requestId, beganMs })
  })

  app.post('/workers/:name/cancel', (request, response) => {
    const parsed = cancelSchema.safeParse(request.body)
    if (!parsed.success) {
      send(response, badInput(parsed.error, ''), { requestId: null, beganMs: Date.now() })
      return
    }
    const { requestId } = parsed.data
    const controller = running.get(`${request.params.name} ${requestId}`)
    controller?.abort()
    response.json({ requestId, cancelled: controller !== undefined })
  })

  app.use((request, response) => {
    response.status(404).json({ error: `no such endpoint: ${request.method} ${request.path}` })
  })
  app.use(onError)
  return app

  async function runWork(name: string, { work, call }: { work: Work; call: Call }): Promise<Outcome> {
    const key = `${name} ${call.requestId}`
    const controller = new AbortController()
    running.set(key, controller)
    try {
      return await work(call, controller.signal)
    } finally {
      if (running.get(key) === controller) running.delete(key)
    }
  }
}

function send(
  response: Response,
  outcome: Outcome,
  { requestId, beganMs }: { requestId: string | null; beganMs: number },
): void {
  if (outcome.kind === 'crash') {
    response.destroy()
    return
  }
  const { status, headers, report } = outcome
  response.set(headers).status(status)
  response.json({ requestId, ...report, durationMs: Date.now() - beganMs })
}

/** A body that is no JSON, or too large, has its own status; anything else is a fault of the worker. */
const onError: ErrorRequestHandler = (error: unknown, _request, response, next) => {
  if (response.headersSent) return next(error)
  const isTold = typeof error === 'object' && error !== null && 'status' in error
  const status = isTold && typeof error.status === 'number' ? error.status : 500
  response
    .status(status)
    .json({ status: 'failure', error: error instanceof Error ? error.message : String(error) })
  if (status >= 500) console.error(error)
}
