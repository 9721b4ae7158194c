// The catalogue: a YAML file with everything that is configured, read with the schema of `PUT /admin/config`.
//
// G1  Every error is told as `file:line:column path: message`, all of them at once (Y1).
// G2  `${NAME}` in a value is replaced by the variable of that name; one that is not given is an error.

import { readFile } from 'node:fs/promises'
import { visit, type Document } from 'yaml'
import { readAppliedVersion } from '../activities/ledger/applied-version.ts'
import { configVersion } from '../activities/ledger/read-config.ts'
import { applyToLimiter } from './configure.ts'
import type { ApiContext } from './context.ts'
import { replaceWhole } from './routes/whole-config.ts'
import { wholeConfig, type WholeConfigBody } from './schema/config.ts'
import { readYaml, type YamlFault } from './yaml-file.ts'

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
  const prepare = (document: Document): readonly YamlFault[] => substitute(document, variables)
  const read = readYaml({ file, text, schema: wholeConfig, prepare })
  return read.kind === 'ok' ? { kind: 'ok', config: read.value } : read
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

function substitute(document: Document, variables: Readonly<Record<string, string>>): readonly YamlFault[] {
  const missing: YamlFault[] = []
  visit(document, {
    Scalar(_key, node) {
      if (typeof node.value !== 'string') return
      node.value = node.value.replaceAll(/\$\{(\w+)\}/g, (whole, name: string) => {
        const value = variables[name]
        const offset = node.range?.[0] ?? 0
        if (value === undefined) missing.push({ offset, message: `\${${name}}: the variable is not given` })
        return value ?? whole
      })
    },
  })
  return missing
}
