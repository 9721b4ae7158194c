// The data folder: everything that the embedded parts keep, and nothing of anybody else's.
// F1 Only its owner can enter it (0700); what is secret in it is 0600 besides.
// F2 One start at a time: the lock names its holder, and a holder that has ended holds nothing.
// F3 Nothing that a user made is ever deleted, not even a broken part: the remedy is the user's to choose.
// Layout: lock, admin-key, ports.json, logs/, run/ (who runs), postgres/, temporal/.

import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { dirname, join, resolve, sep } from 'node:path'

import { PROJECT } from '../environment.ts'
import { Fault, codeOf } from '../fault.ts'
import { dropLock, takeLock } from './lock.ts'

const KEY_BYTES = 24

export interface Folder {
  readonly path: string
  readonly logs: string
  readonly run: string
  readonly close: () => void
}

/** Makes or opens the data folder and locks it; throws a Fault when it cannot be used. */
export function openFolder(path: string): Folder {
  refuseForeign(path)
  const folder = { path, logs: join(path, 'logs'), run: join(path, 'run') }
  try {
    make(path)
    chmodSync(path, 0o700)
    make(folder.logs)
    make(folder.run)
    const holder = takeLock(join(path, 'lock'))
    if (holder !== null) throw inUse(path, holder.pid)
  } catch (error) {
    throw unusable(path, error)
  }
  return { ...folder, close: () => dropLock(join(path, 'lock')) }
}

/** The admin key kept in the folder; made at the first start. */
export function keptAdminKey(folder: Folder): string {
  return keptSecret(adminKeyFile(folder))
}

export function adminKeyFile(folder: Folder): string {
  return join(folder.path, 'admin-key')
}

/** Where a start notes the address of its database, password included, for the tools beside it (mode 0600). */
export function databaseUrlFile(path: string): string {
  return join(path, 'run', 'database-url')
}

/** The secret in `file` (0600), made when there is none yet. */
export function keptSecret(file: string): string {
  try {
    const secret = readFileSync(file, 'utf8').trim()
    if (secret !== '') return secret
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
  }
  const secret = randomBytes(KEY_BYTES).toString('base64url')
  writeFileSync(file, `${secret}\n`, { mode: 0o600 })
  return secret
}

// Step by step, because Node's own recursive way never ends where a folder refuses new ones by ENOENT (/proc does).
function make(path: string): void {
  if (existsSync(path)) return
  make(dirname(path))
  mkdirSync(path, { mode: 0o700 })
}

// A folder that holds the project, the home or every temporary file would be closed to all others by F1.
function refuseForeign(path: string): void {
  const guarded = [PROJECT, homedir(), tmpdir()].map((folder) => resolve(folder))
  if (guarded.every((folder) => folder !== path && !folder.startsWith(path === sep ? sep : path + sep)))
    return
  throw new Fault(
    `${path} cannot be the data folder: it holds other things, and the data folder is closed to all other users.`,
    'set RM_DATA_DIR to a folder of its own.',
  )
}

function inUse(path: string, pid: number): Fault {
  return new Fault(
    `The data folder ${path} is in use by another start (process ${pid}).`,
    `end that one (kill ${pid}), or set RM_DATA_DIR and PORT to start a second one beside it.`,
  )
}

function unusable(path: string, error: unknown): unknown {
  const code = codeOf(error)
  const remedy =
    'set RM_DATA_DIR to a folder that you may write, or give yourself the right to write this one.'
  switch (code) {
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
    case 'ENOENT':
      return new Fault(`The data folder ${path} cannot be written (${code}).`, remedy)
    case 'ENOTDIR':
    case 'EEXIST':
      return new Fault(`The data folder ${path} is not a folder.`, remedy)
    case 'ENOSPC':
      return new Fault(
        `There is no space left for the data folder ${path}.`,
        'free some, or set RM_DATA_DIR.',
      )
    default:
      return error
  }
}
