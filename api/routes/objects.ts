// GET, PUT and DELETE of one kind of configured object: parse, store, tell the limiter where it must know.

import { z } from 'zod'
import type { ProblemCode } from '../../domain/failure.ts'
import { configVersion } from '../../activities/ledger/read-config.ts'
import type { ApiContext } from '../context.ts'
import { applyToLimiter, type Gone } from '../configure.ts'
import { mustActForAll } from '../keys.ts'
import { notFound } from '../problem.ts'
import { route, type Route } from '../route.ts'

export type Change = { readonly id: string; readonly actor: string }
export type Stored = { readonly version: number; readonly created: boolean }

export type Kind<Body extends z.ZodObject> = {
  /** As it is told: `resource`. */
  readonly name: string
  readonly path: string
  readonly id: z.ZodType<string, string>
  readonly schema: Body
  readonly read: (context: ApiContext, id: string) => Promise<z.output<Body> | null>
  readonly put: (context: ApiContext, body: z.output<Body>, change: Change) => Promise<Stored>
  /** The version without it, or null where there is no such object. */
  readonly remove: (context: ApiContext, change: Change) => Promise<{ readonly version: number } | null>
  /** What it may say no with, beside what every route may. */
  readonly problems: readonly ProblemCode[]
  /** What the limiter is told beside the configuration that is left; null: it need not know. */
  readonly forLimiter: ForLimiter<z.output<Body>> | null
}

type ForLimiter<Body> = (context: ApiContext, id: string, body: Body | null) => Promise<Gone | null>

/** The three routes of a kind. */
export function objectRoutes<Body extends z.ZodObject>(kind: Kind<Body>): readonly Route[] {
  const { name, path, schema } = kind
  const param = /\{(\w+)\}/.exec(path)?.[1] ?? 'id'
  const params = z.strictObject({ [param]: kind.id })
  const answer = z
    .object({ id: z.string(), configVersion: z.int(), ...schema.shape })
    .meta({ id: `${name.slice(0, 1).toUpperCase()}${name.slice(1)}Stored` })
  const shared = { path, params, scopes: ['admin'] } as const
  const idOf = (given: Readonly<Record<string, string>>) => given[param] ?? ''

  const get = route({
    ...shared,
    method: 'get',
    summary: `The ${name} as it is configured`,
    problems: ['not-found'],
    answers: { 200: answer },
    async handle({ context, caller, params }) {
      mustActForAll(caller)
      const id = idOf(params)
      const [body, version] = await Promise.all([kind.read(context, id), configVersion(context.sql)])
      if (body === null) throw notFound(name, id)
      return { status: 200, body: { ...body, id, configVersion: version }, headers: { etag: `"${version}"` } }
    },
  })

  const put = route({
    ...shared,
    method: 'put',
    summary: `Replace the ${name}; what was used is kept`,
    body: schema,
    problems: kind.problems,
    answers: { 200: answer, 201: answer },
    async handle({ context, caller, params, body }) {
      mustActForAll(caller)
      const id = idOf(params)
      const { version, created } = await kind.put(context, body, { id, actor: caller.keyId })
      await tellLimiter(context, kind, id, body)
      const headers = { etag: `"${version}"` }
      const stored = (await kind.read(context, id)) ?? body
      return { status: created ? 201 : 200, body: { ...stored, id, configVersion: version }, headers }
    },
  })

  const remove = route({
    ...shared,
    method: 'delete',
    summary: `Remove the ${name}`,
    problems: ['not-found', ...kind.problems],
    answers: { 204: z.undefined() },
    async handle({ context, caller, params }) {
      mustActForAll(caller)
      const id = idOf(params)
      if ((await kind.remove(context, { id, actor: caller.keyId })) === null) throw notFound(name, id)
      await tellLimiter(context, kind, id, null)
      return { status: 204, body: undefined }
    },
  })
  return [get, put, remove]
}

async function tellLimiter<Body extends z.ZodObject>(
  context: ApiContext,
  { forLimiter }: Kind<Body>,
  id: string,
  body: z.output<Body> | null,
): Promise<void> {
  const gone = forLimiter === null ? null : await forLimiter(context, id, body)
  if (gone !== null) await applyToLimiter(context, gone)
}
