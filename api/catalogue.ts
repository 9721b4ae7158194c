// The catalogue: a YAML file with everything that is configured, read with the schema of `PUT /admin/config`.
//
// G1  Every error is told as `file:line:column path: message`, all of them at once.
// G2  `${NAME}` in a value is replaced by the variable of that name; one that is not given is an error.

import { readFile } from 'node:fs/promises'
import { isNode, isScalar, LineCounter, parseDocument, visit, type Document } from 'yaml'
import { readAppliedVersion } from '../activities/ledger/applied-version.ts'
import { configVersion } from '../activities/ledger/read-config.ts'
import { applyToLimiter } from './configure.ts'
import type { ApiContext } from './context.ts'
import { fieldErrors } from './parse.ts'
import { replaceWhole } from './routes/whole-config.ts'
import { wholeConfig, type WholeConfigBody } from './schema/config.ts'

export type CatalogueFile = {
  /** As it is named in errors. */
  readonly file: string
  readonly text: string
  readonly variables: Readonly<Record<string, string>>
}

export type Catalogue =
  | { readonly kind: 'ok'; readonly config: WholeConfigBody }
  | { readonly kind: 'invalid'; readonly errors: readonly string[] }

export function readCatalogue({ file, text, variables }: CatalogueFile): Catalogue {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true })
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset)
    return `${file}:${line}:${col}`
  }
  if (document.errors.length > 0) {
    return {
      kind: 'invalid',
      errors: document.errors.map(({ pos, message }) => `${at(pos[0])} ${message.split('\n')[0] ?? ''}`),
    }
  }
  const missing = substitute(document, variables)
  if (missing.length > 0) {
    return {
      kind: 'invalid',
      errors: missing.map(({ offset, name }) => `${at(offset)} \${${name}}: the variable is not given`),
    }
  }
  const result = wholeConfig.safeParse(document.toJS() ?? {})
  if (result.success) return { kind: 'ok', config: result.data }
  const errors = result.error.issues.flatMap((issue) =>
    fieldErrors([issue]).map(({ pointer, detail }) => {
      const path = pathOf(pointer)
      return `${at(offsetOf(document, path))} ${path.join('.') || '(root)'}: ${detail}`
    }),
  )
  return { kind: 'invalid', errors }
}

/** Reads a catalogue from a file. Throws an error whose message lists every fault, a line each (G1). */
export async function loadCatalogue(
  file: string,
  variables: Readonly<Record<string, string>>,
): Promise<WholeConfigBody> {
  const catalogue = readCatalogue({ file, text: await readFile(file, 'utf8'), variables })
  if (catalogue.kind === 'ok') return catalogue.config
  throw new Error(`the catalogue has ${catalogue.errors.length} faults:\n${catalogue.errors.join('\n')}`)
}

/** Puts a catalogue into a ledger that was never configured; else makes sure that the limiter knows what is there. */
export async function applyCatalogue(context: ApiContext, config: WholeConfigBody): Promise<void> {
  const { sql } = context
  const version = await configVersion(sql)
  if (version === 0) await replaceWhole(context, config, { expected: 0, caller: { keyId: 'catalogue' } })
  else if ((await readAppliedVersion(sql)) < version) await applyToLimiter(context)
}

function substitute(document: Document, variables: Readonly<Record<string, string>>) {
  const missing: { readonly offset: number; readonly name: string }[] = []
  visit(document, {
    Scalar(_key, node) {
      if (typeof node.value !== 'string') return
      node.value = node.value.replaceAll(/\$\{(\w+)\}/g, (whole, name: string) => {
        const value = variables[name]
        if (value === undefined) missing.push({ offset: node.range?.[0] ?? 0, name })
        return value ?? whole
      })
    },
  })
  return missing
}

/** Where the value is, or, for a member that is missing, the nearest node above it. */
function offsetOf(document: Document, path: readonly string[]): number {
  for (let depth = path.length; depth >= 0; depth -= 1) {
    const node: unknown = depth === 0 ? document.contents : keyOrValue(document, path.slice(0, depth))
    if (isNode(node) && node.range) return node.range[0]
  }
  return 0
}

/** The key where the value is a member of a map, so that an unknown field is pointed at by its name. */
function keyOrValue(document: Document, path: readonly string[]): unknown {
  const parent: unknown = path.length === 1 ? document.contents : document.getIn(path.slice(0, -1), true)
  const last = path.at(-1)
  if (typeof parent === 'object' && parent !== null && 'items' in parent && Array.isArray(parent.items)) {
    for (const item of parent.items as unknown[]) {
      if (typeof item !== 'object' || item === null || !('key' in item) || !isScalar(item.key)) continue
      if (String(item.key.value) !== last) continue
      return item.key
    }
  }
  return document.getIn(path, true)
}

function pathOf(pointer: string): readonly string[] {
  return pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
}
