// The facade: Express, put together from the routes.

import { randomUUID } from 'node:crypto'
import express, { type ErrorRequestHandler, type Express, type RequestHandler } from 'express'
import helmet from 'helmet'
import type { ApiContext } from './context.ts'
import { problemFrom } from './faults.ts'
import { openApiDocument } from './openapi.ts'
import { PROBLEMS, Problem, toWire } from './problem.ts'
import { expressPath, type Route } from './route.ts'
import { ROUTES } from './routes/all.ts'

export function createApp(context: ApiContext): Express {
  const app = express()
  app.disable('x-powered-by')
  app.disable('etag')
  app.use(helmet(), identified(context))
  for (const [path, routes] of byPath(ROUTES)) {
    const at = expressPath(path)
    for (const { method, handlers } of routes) app[method](at, ...handlers(context))
    app.all(at, wrongMethod(routes))
  }
  const document = openApiDocument(context.about.version)
  app.get('/openapi.json', (_request, response) => void response.json(document))
  app.get('/problems/:code', (request, response) => void response.json(problemType(request.params.code)))
  app.use((request) => {
    throw new Problem('not-found', `there is no route ${request.path}`)
  })
  app.use(answerProblem(context))
  return app
}

/** Paths with a fixed end first: a parameter takes slashes, so it would swallow them. */
function byPath(routes: readonly Route[]): readonly (readonly [string, readonly Route[]])[] {
  const groups = Object.entries(Object.groupBy(routes, ({ path }) => path)).map(
    ([path, group = []]) => [path, group] as const,
  )
  return groups.sort(([a], [b]) => Number(a.endsWith('}')) - Number(b.endsWith('}')))
}

/** Every answer carries an id of its own, and one line in the log: never a body, never a key. */
function identified({ log }: ApiContext): RequestHandler {
  return (request, response, next) => {
    const id = randomUUID()
    const startedAt = performance.now()
    response.set('x-request-id', id)
    response.locals['id'] = id
    response.on('close', () => {
      const tookMs = Math.round(performance.now() - startedAt)
      log.debug(
        { id, method: request.method, path: request.path, status: response.statusCode, tookMs },
        'answered',
      )
    })
    next()
  }
}

function wrongMethod(routes: readonly Route[]): RequestHandler {
  const allowed = routes.map(({ method }) => method.toUpperCase()).join(', ')
  return (request) => {
    throw new Problem('method-not-allowed', `${request.method}: expected ${allowed}`, {
      headers: { allow: allowed },
    })
  }
}

function answerProblem({ log }: ApiContext): ErrorRequestHandler {
  return (error: unknown, request, response, next) => {
    const id = String(response.locals['id'])
    const problem = problemFrom(error)
    if (problem.code === 'internal' || problem.code === 'unavailable') {
      log.error(
        { id, method: request.method, path: request.path, code: problem.code, err: error },
        'a request failed',
      )
    }
    if (response.headersSent) {
      next(error)
      return
    }
    const { status, headers, body } = toWire(problem, { instance: request.path, requestId: id })
    response.status(status).set(headers).send(JSON.stringify(body))
  }
}

function problemType(code: string): {
  readonly code: string
  readonly status: number
  readonly title: string
} {
  for (const [known, { status, title }] of Object.entries(PROBLEMS))
    if (known === code) return { code, status, title }
  throw new Problem('not-found', `there is no problem ${JSON.stringify(code)}`)
}
