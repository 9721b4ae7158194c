// The OpenAPI 3.1 document, from the schemas that parse the requests and shape the answers.

import { z } from 'zod'
import { createDocument, type ZodOpenApiOperationObject, type ZodOpenApiPathsObject } from 'zod-openapi'
import type { ProblemCode } from '../domain/failure.ts'
import { PROBLEMS, PROBLEM_TYPE } from './problem.ts'
import { YAML_TYPES, type Route } from './route.ts'
import { ROUTES } from './routes/all.ts'
import { problem } from './schema/answers.ts'

/** Every route may answer these; a route names what else it says no with. */
const PROBLEMS_OF_ALL: readonly ProblemCode[] = ['invalid-request', 'internal', 'unavailable']
const PROBLEMS_WITH_KEY: readonly ProblemCode[] = ['unauthenticated', 'forbidden']
const PROBLEMS_WITH_BODY: readonly ProblemCode[] = ['too-large', 'unsupported-media-type']

const HEADERS = {
  Prefer: z.string().optional().meta({
    description: '`wait=N`: answer when it has settled, after N seconds (at most 30) at the latest',
  }),
  'Idempotency-Key': z
    .string()
    .optional()
    .meta({ description: 'The id, quoted or bare, where the body has none' }),
  'If-Match': z
    .string()
    .optional()
    .meta({ description: 'ETag of the configuration that the change was made from' }),
  'Last-Event-ID': z
    .string()
    .optional()
    .meta({ description: 'Id of the last event seen; only later ones are sent' }),
}

type Document = ReturnType<typeof createDocument>

export function openApiDocument(version: string): Document {
  const paths: ZodOpenApiPathsObject = {}
  for (const route of ROUTES) {
    paths[route.path] = { ...paths[route.path], [route.method]: operation(route) }
  }
  return createDocument({
    openapi: '3.1.0',
    info: {
      title: 'Resource Manager',
      version,
      description:
        'Reservations, budgets and queues for shared resources. Every error is a problem (RFC 9457).',
    },
    components: { securitySchemes: { key: { type: 'http', scheme: 'bearer' } } },
    paths,
  })
}

function operation(route: Route): ZodOpenApiOperationObject {
  const { summary, scopes, params, query, body, headers } = route
  return {
    operationId: operationId(route),
    summary,
    tags: [tagOf(route.path)],
    security: scopes === null ? [] : [{ key: [] }],
    ...(scopes !== null && { description: `Scope: ${scopes.map((scope) => `\`${scope}\``).join(' or ')}.` }),
    requestParams: {
      ...(params !== null && { path: params }),
      ...(query !== null && { query }),
      ...(headers !== undefined && {
        header: z.object(Object.fromEntries(headers.map((name) => [name, HEADERS[name]]))),
      }),
    },
    ...(body !== null && { requestBody: requestBody(route, body) }),
    responses: { ...answers(route), ...problems(route) },
  }
}

function requestBody({ takesYaml }: Route, schema: z.ZodType) {
  const types = takesYaml === true ? ['application/json', ...YAML_TYPES.slice(0, 1)] : ['application/json']
  return {
    required: !schema.safeParse(undefined).success,
    content: Object.fromEntries(types.map((type) => [type, { schema }])),
  }
}

function answers(route: Route) {
  if (route.streams !== null) {
    const content = Object.fromEntries(route.streams.map((type) => [type, { schema: z.string() }]))
    return { 200: { description: 'A stream', content } }
  }
  return Object.fromEntries(
    Object.entries(route.answers).map(([status, schema]) => [
      status,
      schema instanceof z.ZodUndefined
        ? { description: DESCRIPTIONS[status] ?? 'Answer' }
        : { description: DESCRIPTIONS[status] ?? 'Answer', content: contentOf(route, schema) },
    ]),
  )
}

function contentOf({ answersYaml }: Route, schema: z.ZodType) {
  const types = answersYaml === true ? ['application/json', ...YAML_TYPES.slice(0, 1)] : ['application/json']
  return Object.fromEntries(types.map((type) => [type, { schema }]))
}

const DESCRIPTIONS: Readonly<Record<string, string>> = {
  200: 'Done',
  201: 'Made',
  202: 'Accepted; `Location` tells where to look',
  204: 'Gone',
}

function problems(route: Route) {
  const codes = [
    ...PROBLEMS_OF_ALL,
    ...(route.scopes === null ? [] : PROBLEMS_WITH_KEY),
    ...(route.body === null ? [] : PROBLEMS_WITH_BODY),
    ...(route.problems ?? []),
  ]
  const byStatus = Object.groupBy(new Set(codes), (code) => String(PROBLEMS[code].status))
  return Object.fromEntries(
    Object.entries(byStatus).map(([status, codes = []]) => [
      status,
      { description: codes.join(', '), content: { [PROBLEM_TYPE]: { schema: problem } } },
    ]),
  )
}

function operationId({ method, path }: Route): string {
  const words = path.split('/').flatMap((part) => part.replaceAll(/[{}]/g, '').split('-'))
  return path === '/'
    ? 'getRoot'
    : method + words.map((word) => word.slice(0, 1).toUpperCase() + word.slice(1)).join('')
}

function tagOf(path: string): string {
  const [first = '', second] = path.split('/').filter((part) => part !== '')
  return first === 'api'
    ? (second ?? first).replace('execution', 'execute').replace('executes', 'execute')
    : first || 'about'
}
