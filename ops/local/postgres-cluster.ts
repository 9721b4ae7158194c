// The files of the embedded Postgres: made once, checked at every start.
// D1 A cluster appears whole or not at all: it is made under another name and then renamed.
// D2 As root it belongs to an unprivileged user, who need not be able to enter the folders above it: the programs run
//    in the cluster and know it as /proc/self/cwd.
// D3 The password reaches nobody else: a file only its owner reads, given on as an open file, never on a command line.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs'
import { join } from 'node:path'

import { Fault, codeOf } from '../fault.ts'
import { keptSecret } from './folder.ts'
import { lengthOf, linesSince } from './log-file.ts'
import { postgresPrograms } from './postgres-programs.ts'

export const POSTGRES_USER = 'rm'
const NOBODY = 65_534
const MAJOR = '18'

export interface Cluster {
  /** Path of the cluster's files. */
  readonly path: string
  /** The same for a program that runs in it. */
  readonly pathInside: string
  /** The user that Postgres runs as; undefined means the present one. */
  readonly uid: number | undefined
  readonly password: string
  /** Folder of the programs. */
  readonly programs: string
}

/** Makes the cluster in `folder` at the first start, checks it at a later one. */
export async function openCluster(
  folder: string,
  { logFile, say }: { logFile: string; say: (line: string) => void },
): Promise<Cluster> {
  const isRoot = process.getuid?.() === 0
  if (isRoot && process.platform !== 'linux') {
    throw new Fault(
      'As root, the embedded Postgres runs on Linux only.',
      'start as another user, or set DATABASE_URL to a Postgres of your own.',
    )
  }
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const path = join(folder, 'cluster')
  if (existsSync(path) && !existsSync(join(folder, 'password')))
    throw damaged(folder, 'the file password is missing')
  const cluster: Cluster = {
    path,
    pathInside: isRoot ? '/proc/self/cwd' : path,
    uid: isRoot ? NOBODY : undefined,
    password: keptSecret(join(folder, 'password')),
    programs: await postgresPrograms(say),
  }
  if (existsSync(path)) check(folder, path)
  else await make(cluster, { folder, logFile })
  return cluster
}

/** A cluster that Postgres cannot use. */
export function damaged(folder: string, reason: string): Fault {
  return new Fault(
    `The embedded Postgres cannot use its files in ${folder}: ${reason}.`,
    `bring back a copy of the data folder, or move ${folder} away to start with an empty database (nothing is deleted for you).`,
  )
}

async function make(
  cluster: Cluster,
  { folder, logFile }: { folder: string; logFile: string },
): Promise<void> {
  const draft = `${cluster.path}.draft`
  const secret = join(folder, 'password')
  const isOther = cluster.uid !== undefined
  rmSync(draft, { recursive: true, force: true })
  mkdirSync(draft, { mode: 0o700 })
  if (cluster.uid !== undefined) {
    chownSync(draft, cluster.uid, cluster.uid)
    chownSync(secret, cluster.uid, cluster.uid)
  }
  const secretFd = openSync(secret, 'r')
  const log = openSync(logFile, 'a', 0o600)
  const logFrom = lengthOf(logFile)
  const args = [
    `--pgdata=${isOther ? cluster.pathInside : draft}`,
    `--pwfile=${isOther ? '/proc/self/fd/3' : secret}`,
    `--username=${POSTGRES_USER}`,
    ...['--auth=scram-sha-256', '--encoding=UTF8', '--locale=C', '--no-sync', '--no-instructions'],
  ]
  const initdb = spawn(join(cluster.programs, 'bin', 'initdb'), args, {
    cwd: draft,
    stdio: ['ignore', log, log, secretFd],
    env: { PATH: process.env['PATH'], LC_ALL: 'C' },
    ...(cluster.uid === undefined ? {} : { uid: cluster.uid, gid: cluster.uid }),
  })
  try {
    const [code] = await once(initdb, 'exit')
    if (code !== 0) throw unmade(linesSince(logFile, logFrom).at(-1) ?? `initdb ended with ${code}`, logFile)
  } catch (error) {
    throw error instanceof Fault ? error : unmade(String(error), logFile)
  } finally {
    closeSync(secretFd)
    closeSync(log)
    if (isOther) chownSync(secret, 0, 0)
  }
  renameSync(draft, cluster.path)
}

function unmade(reason: string, logFile: string): Fault {
  return new Fault(
    `The embedded Postgres could not be set up: ${reason}.`,
    `see ${logFile}, or set DATABASE_URL to a Postgres of your own.`,
  )
}

function check(folder: string, path: string): void {
  let version: string
  try {
    version = readFileSync(join(path, 'PG_VERSION'), 'utf8').trim()
  } catch (error) {
    throw damaged(folder, `${path}/PG_VERSION cannot be read (${codeOf(error) ?? String(error)})`)
  }
  if (version === MAJOR) return
  if (!/^\d+$/.test(version)) throw damaged(folder, `${path}/PG_VERSION holds no version`)
  throw new Fault(
    `The database in ${folder} was made by Postgres ${version}; this release has Postgres ${MAJOR}.`,
    'start the release that made it and copy the data over, or set RM_DATA_DIR to a new folder.',
  )
}
