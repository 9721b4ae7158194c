// One description of a route: what Express serves, what is parsed, and what the OpenAPI document says.
//
// H1  The key is checked before the body is read.
// H2  A handler gets parsed values only, and returns its answer; it never touches the response itself,
//     except to stream.

import express, { type Request, type RequestHandler, type Response } from 'express'
import { stringify } from 'yaml'
import type { z } from 'zod'
import type { Json, ProblemCode } from '../domain/failure.ts'
import type { ApiContext } from './context.ts'
import { authenticate, type Caller } from './keys.ts'
import { parse, parseBody } from './parse.ts'
import type { KeyScope } from './schema/requests.ts'

export const BODY_BYTES_MAX = 1_048_576
export const YAML_TYPES = ['application/yaml', 'application/x-yaml', 'text/yaml', 'text/x-yaml']
const JSON_TYPES = ['application/json', 'application/*+json']

export type Method = 'get' | 'put' | 'post' | 'delete'

export type Call<Params, Query, Body> = {
  readonly context: ApiContext
  /** Null on routes that need no key. */
  readonly caller: Caller
  readonly params: Params
  readonly query: Query
  readonly body: Body
  /** The body as it came, for its hash. */
  readonly rawBody: Json
  readonly request: Request
}

export type Reply<Body> = {
  readonly status: number
  readonly body: Body
  readonly headers?: Readonly<Record<string, string>>
  /** Told as YAML instead of JSON. */
  readonly asYaml?: boolean
}

type Documented = {
  readonly method: Method
  /** In the way of OpenAPI; a parameter may hold slashes. */
  readonly path: string
  /** Any of them is enough; null: no key is needed. */
  readonly scopes: readonly KeyScope[] | null
  readonly summary: string
  readonly problems?: readonly ProblemCode[]
  readonly headers?: readonly ('Prefer' | 'Idempotency-Key' | 'If-Match' | 'Last-Event-ID')[]
  readonly takesYaml?: boolean
  readonly answersYaml?: boolean
}

type Schemas = {
  readonly params: z.ZodObject | null
  readonly query: z.ZodObject | null
  readonly body: z.ZodType | null
}

export type Spec<
  P extends z.ZodObject,
  Q extends z.ZodObject,
  B extends z.ZodType,
  R extends z.ZodType,
> = Documented & {
  readonly params?: P
  readonly query?: Q
  readonly body?: B
  /** Schema of the answer's body by status; a status without a body has none. */
  readonly answers: Readonly<Record<number, R>>
  readonly handle: (call: Call<z.output<P>, z.output<Q>, z.output<B>>) => Promise<Reply<z.input<R>>>
}

type StreamSpec<P extends z.ZodObject, Q extends z.ZodObject> = Documented & {
  readonly params: P
  readonly query?: Q
  /** Media types of what may be streamed. */
  readonly streams: readonly string[]
  readonly stream: (call: Call<z.output<P>, z.output<Q>, unknown>, response: Response) => Promise<void>
}

export type Route = Documented &
  Schemas & {
    readonly answers: Readonly<Record<number, z.ZodType>>
    /** Media types of a stream; null: the answers have schemas. */
    readonly streams: readonly string[] | null
    readonly handlers: (context: ApiContext) => readonly RequestHandler[]
  }

export function route<
  R extends z.ZodType,
  P extends z.ZodObject = z.ZodObject<{}>,
  Q extends z.ZodObject = z.ZodObject<{}>,
  B extends z.ZodType = z.ZodUndefined,
>(spec: Spec<P, Q, B, R>): Route {
  const schemas: Schemas = { params: spec.params ?? null, query: spec.query ?? null, body: spec.body ?? null }
  return {
    ...spec,
    ...schemas,
    streams: null,
    handlers: (context) => [
      ...entrance(context, spec, schemas),
      async (request, response) => {
        const call = callOf<z.output<P>, z.output<Q>, z.output<B>>(context, schemas, request, response)
        send(await spec.handle(call), response)
      },
    ],
  }
}

export function streamRoute<P extends z.ZodObject, Q extends z.ZodObject = z.ZodObject<{}>>(
  spec: StreamSpec<P, Q>,
): Route {
  const schemas: Schemas = { params: spec.params, query: spec.query ?? null, body: null }
  return {
    ...spec,
    ...schemas,
    answers: {},
    handlers: (context) => [
      ...entrance(context, spec, schemas),
      async (request, response) => {
        await spec.stream(
          callOf<z.output<P>, z.output<Q>, unknown>(context, schemas, request, response),
          response,
        )
      },
    ],
  }
}

function send({ status, body, headers = {}, asYaml = false }: Reply<unknown>, response: Response): void {
  response.status(status).set(headers)
  if (body === undefined) response.end()
  else if (asYaml) response.type(YAML_TYPES[0] ?? '').send(stringify(body))
  else response.json(body)
}

/** `/admin/resources/{id}` as Express knows it: a parameter takes raw slashes too. */
export function expressPath(path: string): string {
  return path.replaceAll(/\{(\w+)\}/g, '*$1')
}

function entrance(context: ApiContext, spec: Documented, { body }: Schemas): RequestHandler[] {
  const { scopes } = spec
  const handlers: RequestHandler[] = []
  if (scopes !== null) {
    handlers.push(async (request, response, next) => {
      response.locals['caller'] = await authenticate(context, request, scopes)
      next()
    })
  }
  if (body !== null) {
    handlers.push(express.json({ limit: BODY_BYTES_MAX, strict: false, type: JSON_TYPES }))
    if (spec.takesYaml === true) handlers.push(express.text({ limit: BODY_BYTES_MAX, type: YAML_TYPES }))
  }
  return handlers
}

const NOBODY: Caller = { keyId: 'none', scopes: [], clientId: null }

/** The values have been parsed by the schemas whose output types are named: the one cast of this edge. */
function callOf<P, Q, B>(
  context: ApiContext,
  { params, query, body }: Schemas,
  request: Request,
  response: Response,
): Call<P, Q, B> {
  const path = Object.entries(request.params).map(([name, value]) => [
    name,
    Array.isArray(value) ? value.join('/') : value,
  ])
  const parsedBody = body === null ? { body: undefined, rawBody: null } : parseBody(body, request)
  return {
    context,
    caller: (response.locals['caller'] as Caller | undefined) ?? NOBODY,
    params: (params === null ? {} : parse(params, Object.fromEntries(path), '')) as P,
    query: (query === null ? {} : parse(query, { ...request.query }, '?')) as Q,
    body: parsedBody.body as B,
    rawBody: parsedBody.rawBody,
    request,
  }
}
