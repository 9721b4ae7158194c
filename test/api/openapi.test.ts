// The OpenAPI document: what is served is what is committed, and it describes every route.

import { expect, test } from 'vitest'
import packageJson from '../../package.json' with { type: 'json' }
import { openApiDocument } from '../../api/openapi.ts'
import { ROUTES } from '../../api/routes/all.ts'

// As it goes over the wire.
const document: unknown = JSON.parse(JSON.stringify(openApiDocument(packageJson.version)))

function* nodes(value: unknown): Generator<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return
  yield Object(value)
  for (const member of Object.values(value)) yield* nodes(member)
}

function at(path: readonly string[]): unknown {
  let value: unknown = document
  for (const part of path) value = Object(value)[part.replaceAll('~1', '/').replaceAll('~0', '~')]
  return value
}

test('docs/openapi.json is it (`vitest -u` writes it)', async () => {
  await expect(`${JSON.stringify(document, null, 2)}\n`).toMatchFileSnapshot('../../docs/openapi.json')
})

test('it is OpenAPI 3.1, and every reference leads somewhere', () => {
  expect(document).toMatchObject({ openapi: '3.1.0', info: { title: 'Resource Manager' } })
  const references = [...nodes(document)].flatMap(({ $ref }) => (typeof $ref === 'string' ? [$ref] : []))
  expect(references.length).toBeGreaterThan(50)
  const broken = references.filter((reference) => at(reference.slice(2).split('/')) === undefined)
  expect(broken).toEqual([])
})

test('every route is in it, under a name of its own, with its parameters and answers', () => {
  const names = new Set<unknown>()
  for (const { method, path, answers, streams } of ROUTES) {
    const operation = Object(at(['paths', path.replaceAll('/', '~1'), method]))
    names.add(operation.operationId)
    const told = (operation.parameters ?? []).flatMap(({ in: place, name }: { in: string; name: string }) =>
      place === 'path' ? [name] : [],
    )
    expect({ path, told }).toEqual({ path, told: [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name) })
    const statuses = streams ? ['200'] : Object.keys(answers)
    expect(Object.keys(operation.responses)).toEqual(expect.arrayContaining([...statuses, '400', '500']))
  }
  expect(names.size).toBe(ROUTES.length)
})

test('nothing in it is any value, but for what may be any JSON', () => {
  const bodies = ROUTES.flatMap(({ path, method, body }) => (body === null ? [] : [[path, method] as const]))
  for (const [path, method] of bodies) {
    const schema = at([
      'paths',
      path.replaceAll('/', '~1'),
      method,
      'requestBody',
      'content',
      'application/json',
      'schema',
    ])
    expect({ path, method, isEmpty: Object.keys(Object(schema)).length === 0 }).toMatchObject({
      isEmpty: false,
    })
  }
})
