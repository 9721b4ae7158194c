// The whole configuration at once, with its version as the ETag.
//
// W1  It is replaced only by somebody who has seen what is replaced: If-Match is needed, and must be the newest.

import { z } from 'zod'
import { readWholeConfig } from '../../activities/ledger/read-whole-config.ts'
import { replaceConfig } from '../../activities/ledger/replace-config.ts'
import { applyToLimiter } from '../configure.ts'
import { nowMs, type ApiContext } from '../context.ts'
import { catalogueFrom, catalogueTo } from '../convert/whole-config.ts'
import { mustActForAll, type Caller } from '../keys.ts'
import { Problem } from '../problem.ts'
import { route, YAML_TYPES, type Call, type Route } from '../route.ts'
import { wholeConfig, type WholeConfigBody } from '../schema/config.ts'

const stored = z.strictObject({ configVersion: z.int() }).meta({ id: 'ConfigStored' })

const getConfig = route({
  method: 'get',
  path: '/admin/config',
  scopes: ['admin'],
  summary: 'Everything that is configured, as JSON or, by Accept, as YAML',
  answersYaml: true,
  answers: { 200: wholeConfig },
  async handle({ context, caller, request }) {
    mustActForAll(caller)
    const { version, catalogue } = await readWholeConfig(context.sql)
    const asYaml = YAML_TYPES.includes(request.accepts(['application/json', ...YAML_TYPES]) || '')
    return {
      status: 200,
      body: catalogueTo(catalogue),
      headers: { etag: etagOf(version), vary: 'Accept' },
      asYaml,
    }
  },
})

const putConfig = route({
  method: 'put',
  path: '/admin/config',
  scopes: ['admin'],
  summary: 'Replace everything that is configured; what was used is kept, and so are prices',
  headers: ['If-Match'],
  body: wholeConfig,
  takesYaml: true,
  problems: [
    'precondition-required',
    'precondition-failed',
    'unknown-tier',
    'unknown-worker',
    'unknown-resource',
  ],
  answers: { 200: stored },
  async handle({ context, caller, body, request }) {
    mustActForAll(caller)
    const version = await replaceWhole(context, body, { expected: matched(request), caller })
    return { status: 200, body: { configVersion: version }, headers: { etag: etagOf(version) } }
  },
})

type Replacement = { readonly expected: number | null; readonly caller: Pick<Caller, 'keyId'> }

/** The new version, applied. Throws `precondition-failed` where another one than `expected` is there (null: any). */
export async function replaceWhole(
  context: ApiContext,
  body: WholeConfigBody,
  { expected, caller }: Replacement,
): Promise<number> {
  const catalogue = catalogueFrom(body, nowMs(context))
  const before = await readWholeConfig(context.sql)
  const replaced = await replaceConfig(context.sql, catalogue, expected, caller.keyId)
  switch (replaced.kind) {
    case 'stale':
      throw new Problem(
        'precondition-failed',
        `the configuration is at version ${replaced.version}, not ${expected}`,
      )
    case 'refused': {
      const { code, detail, members } = replaced.refusal
      throw new Problem(code, detail, { members })
    }
    case 'replaced': {
      const tiers = before.catalogue.tiers.map(({ id }) => id)
      const resources = before.catalogue.resources.map(({ id }) => id)
      await applyToLimiter(context, { tiers, resources })
      return replaced.version
    }
    default:
      return replaced satisfies never
  }
}

/** The version in If-Match; null for `*`. */
function matched(request: Call<unknown, unknown, unknown>['request']): number | null {
  const header = request.get('if-match')
  if (header === undefined)
    throw new Problem('precondition-required', 'expected If-Match with the ETag of GET /admin/config')
  if (header.trim() === '*') return null
  const version = /^(?:W\/)?"?(\d{1,15})"?$/.exec(header.trim())?.[1]
  if (version === undefined)
    throw new Problem('precondition-failed', `If-Match: ${header} is no ETag of this configuration`)
  return Number(version)
}

function etagOf(version: number): string {
  return `"${version}"`
}

export const wholeConfigRoutes: readonly Route[] = [getConfig, putConfig]
