// The workflows' code as the workers run it: one file, made anew only when a source of it has changed.
//
// B1  It is made in a process of its own: what the bundler needs in memory does not stay with the service.
// B2  Its name is the hash of all that goes into it, so that a kept one is never stale.

import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { PROJECT } from './environment.ts'
import { cached } from './local/cache.ts'

const PROGRAM = join(PROJECT, 'ops/bundle-workflows.ts')
const FILE = 'bundle.js'
const SOURCES = ['workflows/**/*.ts', 'limiter/**/*.ts', 'domain/**/*.ts', 'package-lock.json']

/** The file of the bundle, as a worker's `workflowBundle`; `say` is told what is waited for. */
export async function workflowBundle(say: (line: string) => void): Promise<{ readonly codePath: string }> {
  const make = async (folder: string): Promise<void> => {
    await promisify(execFile)(process.execPath, [PROGRAM, join(folder, FILE)])
  }
  return { codePath: join(await cached(`workflows-${hashOfSources()}`, make, { say }), FILE) }
}

function hashOfSources(): string {
  const hash = createHash('sha256')
  for (const file of SOURCES.flatMap((pattern) => globSync(pattern, { cwd: PROJECT })).toSorted()) {
    hash.update(`${file}\n`).update(readFileSync(join(PROJECT, file)))
  }
  return hash.digest('hex').slice(0, 16)
}
