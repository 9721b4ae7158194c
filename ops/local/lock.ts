// A lock file that names its holder. A holder that has ended holds nothing.
// K1 The file is made complete under another name and linked into place: nobody ever reads half of it.
// K2 A stale lock is first moved aside and looked at again: one taken anew in between goes back to its holder.

import { linkSync, renameSync, rmSync, writeFileSync } from 'node:fs'

import { codeOf } from '../fault.ts'
import { type ProcessIdentity, identify, isRunning, readIdentity } from './processes.ts'

const ATTEMPTS_MAX = 5

/** Takes the lock for this process: null when it has it now, otherwise the running process that holds it. */
export function takeLock(file: string): ProcessIdentity | null {
  const draft = `${file}.${process.pid}`
  writeFileSync(draft, JSON.stringify(identify(process.pid)), { mode: 0o600 })
  try {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
      if (isLinked(draft, file)) return null
      const holder = readIdentity(file)
      if (holder !== null && isRunning(holder)) return holder
      dropStale(file, holder)
    }
  } finally {
    rmSync(draft, { force: true })
  }
  throw new Error(`the lock ${file} changes hands faster than it can be read`)
}

export function dropLock(file: string): void {
  rmSync(file, { force: true })
}

function dropStale(file: string, stale: ProcessIdentity | null): void {
  const aside = `${file}.${process.pid}.stale`
  try {
    renameSync(file, aside)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return
    throw error
  }
  const moved = readIdentity(aside)
  if (moved !== null && moved.began !== stale?.began) isLinked(aside, file)
  rmSync(aside, { force: true })
}

function isLinked(from: string, to: string): boolean {
  try {
    linkSync(from, to)
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  }
}
