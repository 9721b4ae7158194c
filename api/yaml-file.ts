// A YAML file read with a schema, so that whoever wrote it is told where it is wrong.
//
// Y1  Every error is told as `file:line:column path: message`, all of them at once.

import { isNode, isScalar, LineCounter, parseDocument, type Document } from 'yaml'
import type { z } from 'zod'
import { fieldErrors } from './parse.ts'

export type YamlFile<S extends z.ZodType> = {
  /** As it is named in errors. */
  readonly file: string
  readonly text: string
  readonly schema: S
  /** Changes the document before it is read, and tells what is wrong in it by the place in the text. */
  readonly prepare?: (document: Document) => readonly YamlFault[]
}

export type YamlFault = { readonly offset: number; readonly message: string }

export type YamlRead<T> =
  | { readonly kind: 'ok'; readonly value: T }
  | { readonly kind: 'invalid'; readonly errors: readonly string[] }

export function readYaml<S extends z.ZodType>(from: YamlFile<S>): YamlRead<z.output<S>> {
  const { file, text, schema, prepare } = from
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true })
  const told = ({ offset, message }: YamlFault): string => {
    const { line, col } = lines.linePos(offset)
    return `${file}:${line}:${col} ${message}`
  }
  const broken = document.errors.map(({ pos, message }) => ({
    offset: pos[0],
    message: message.split('\n')[0] ?? '',
  }))
  const faults = broken.length > 0 ? broken : (prepare?.(document) ?? [])
  if (faults.length > 0) return { kind: 'invalid', errors: faults.map(told) }

  const result = schema.safeParse(document.toJS() ?? {})
  if (result.success) return { kind: 'ok', value: result.data }
  const errors = result.error.issues.flatMap((issue) =>
    fieldErrors([issue]).map(({ pointer, detail }) => {
      const path = pathOf(pointer)
      return told({ offset: offsetOf(document, path), message: `${path.join('.') || '(root)'}: ${detail}` })
    }),
  )
  return { kind: 'invalid', errors }
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
