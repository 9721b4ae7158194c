// What is fetched or built once per user: servers and the like, one folder per name and version.
// C1 A thing appears in the cache whole or not at all: it is made under another name and then renamed.
// C2 Two at once are safe: the second waits and then finds it there.

import { chmodSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, statSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

import { Fault, codeOf } from '../fault.ts'
import { dropLock, takeLock } from './lock.ts'

const WAIT_POLL_MS = 500
const WAIT_SAY_MS = 8_000

/** The user's cache folder of this program. */
export function cacheFolder(): string {
  const base = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache')
  return join(base, 'resource-manager')
}

/**
 * The folder `name` of the cache, made by `make` when it is not there; `make` fills the empty folder that it is given.
 * `root` is another cache folder than the user's.
 */
export async function cached(
  name: string,
  make: (folder: string) => Promise<void>,
  { say, root = cacheFolder() }: { say: (line: string) => void; root?: string },
): Promise<string> {
  const folder = join(root, name)
  if (existsSync(folder)) return folder
  makeRoot(root)
  const lock = `${folder}.lock`
  await waitForLock(lock, { say, what: name })
  try {
    if (existsSync(folder)) return folder
    const draft = mkdtempSync(`${folder}.draft-`)
    try {
      await make(draft)
      chmodSync(draft, 0o755)
      renameSync(draft, folder)
    } finally {
      rmSync(draft, { recursive: true, force: true })
    }
    return folder
  } finally {
    dropLock(lock)
  }
}

/** A folder for program files that any user of this machine can enter: the cache, if it is one, else a shared place. */
export function enterableCacheFolder(): string {
  const places = [cacheFolder(), '/var/cache/resource-manager', join(tmpdir(), 'resource-manager-cache')]
  const found = places.find((place) => canOthersEnter(place) && canWrite(place))
  if (found !== undefined) return found
  throw new Fault(
    `None of ${places.join(', ')} can be entered by an unprivileged user.`,
    'set XDG_CACHE_HOME to a folder that every user can enter.',
  )
}

/** True when every folder on the way to `path` that exists lets other users pass. */
export function canOthersEnter(path: string): boolean {
  for (let folder = path; ; folder = dirname(folder)) {
    if (existsSync(folder) && (statSync(folder).mode & 0o001) === 0) return false
    if (folder === dirname(folder)) return true
  }
}

function canWrite(path: string): boolean {
  try {
    mkdirSync(path, { recursive: true, mode: 0o755 })
    return true
  } catch {
    return false
  }
}

function makeRoot(root: string): void {
  try {
    mkdirSync(root, { recursive: true })
  } catch (error) {
    throw new Fault(
      `The cache folder ${root} cannot be made (${codeOf(error) ?? String(error)}).`,
      'set XDG_CACHE_HOME to a folder that you may write.',
    )
  }
}

async function waitForLock(
  lock: string,
  { say, what }: { say: (line: string) => void; what: string },
): Promise<void> {
  let saidAt = -Infinity
  for (;;) {
    const holder = takeLock(lock)
    if (holder === null) return
    if (Date.now() - saidAt >= WAIT_SAY_MS) {
      say(`waiting for process ${holder.pid}, which is getting ${basename(what)}`)
      saidAt = Date.now()
    }
    await delay(WAIT_POLL_MS)
  }
}
