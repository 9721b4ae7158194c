// From bytes to values: what does not parse is refused with a pointer to the field.
//
// P1  A member that is unknown is named by its own pointer (RFC 6901), one error each.
// P2  No member is dropped in silence: `__proto__`, which a parser would drop, is refused.

import type { Request } from 'express'
import type { z } from 'zod'
import { parse as parseYaml } from 'yaml'
import type { Json } from '../domain/failure.ts'
import { invalid, Problem, type FieldError } from './problem.ts'

const DEPTH_MAX = 64
const ERRORS_MAX = 50
/** A YAML alias may repeat what it names; more than this is an attack, not a configuration. */
const YAML_ALIASES_MAX = 100

/** `prefix` tells where the value came from: nothing for a body or a path, `?` for the query. */
export function parse<S extends z.ZodType>(schema: S, value: unknown, prefix: '' | '?'): z.output<S> {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const errors = fieldErrors(result.error.issues)
  throw invalid(
    prefix === ''
      ? errors
      : errors.map(({ pointer, detail }) => ({ pointer: prefix + pointer.slice(1), detail })),
  )
}

export function parseBody(
  schema: z.ZodType,
  request: Request,
): { readonly body: unknown; readonly rawBody: Json } {
  const value = bodyValue(request)
  const body = parse(schema, value, '')
  return { body, rawBody: (value ?? null) as Json }
}

/** One error per field: pointer and what was expected. */
export function fieldErrors(issues: readonly z.core.$ZodIssue[]): readonly FieldError[] {
  return issues.flatMap(errorsOf).slice(0, ERRORS_MAX)
}

export function pointerOf(path: readonly PropertyKey[]): string {
  return path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
}

function errorsOf(issue: z.core.$ZodIssue): readonly FieldError[] {
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => ({ pointer: pointerOf([...issue.path, key]), detail: 'unknown field' }))
    case 'invalid_key':
      return [{ pointer: pointerOf(issue.path), detail: issue.issues[0]?.message ?? issue.message }]
    case 'invalid_union':
      return [{ pointer: pointerOf(issue.path), detail: unionDetail(issue) }]
    default:
      return [{ pointer: pointerOf(issue.path), detail: issue.message }]
  }
}

function unionDetail(issue: z.core.$ZodIssueInvalidUnion): string {
  const branches = new Set(issue.errors.map((branch) => branch[0]?.message ?? ''))
  return branches.size === 0 ? issue.message : [...branches].join('; or: ')
}

function bodyValue(request: Request): unknown {
  const hasBody =
    Number(request.get('content-length') ?? 0) > 0 || request.get('transfer-encoding') !== undefined
  if (!hasBody) return undefined
  const { body } = request as { body: unknown }
  if (body === undefined) {
    const got = request.get('content-type') ?? 'none'
    throw new Problem('unsupported-media-type', `Content-Type: got ${got}, expected application/json`)
  }
  const value = typeof body === 'string' && request.is('json') === false ? yamlValue(body) : body
  mustBePlain(value, [])
  return value
}

function yamlValue(text: string): unknown {
  try {
    return parseYaml(text, { maxAliasCount: YAML_ALIASES_MAX, uniqueKeys: true })
  } catch (error) {
    throw new Problem(
      'invalid-request',
      `the body is not YAML: ${error instanceof Error ? error.message : String(error)}`,
    )
  }
}

/** P2, and a bound on the depth, so that no later walk can exhaust the stack. */
function mustBePlain(value: unknown, path: readonly string[]): void {
  if (typeof value !== 'object' || value === null) return
  if (path.length >= DEPTH_MAX) throw invalid([{ pointer: '', detail: `nested deeper than ${DEPTH_MAX}` }])
  for (const [key, member] of Object.entries(value)) {
    if (key === '__proto__') throw invalid([{ pointer: pointerOf([...path, key]), detail: 'unknown field' }])
    mustBePlain(member, [...path, key])
  }
}
