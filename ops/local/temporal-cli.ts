// The Temporal CLI, whose `server start-dev` is the embedded Temporal. Where it comes from, in this order:
// 1 TEMPORAL_CLI_PATH; 2 `temporal` on the PATH, if new enough; 3 the cache; 4 the SDK's download; 5 a Go build of the
// module in temporal-cli/, whose go.mod and go.sum fix every byte of it.

import { spawnSync } from 'node:child_process'
import {
  accessSync,
  constants,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

import { PROJECT } from '../environment.ts'
import { Fault } from '../fault.ts'
import { cached } from './cache.ts'
import { runLong } from './run.ts'

const VERSION = '1.8.2'
const SERVER_MINIMUM = [1, 29] as const
const GO_MINIMUM = [1, 21] as const
const TITLE = 'getting the Temporal dev server (once)'

const THREE_WAYS =
  'either (1) set TEMPORAL_CLI_PATH to a Temporal CLI, or put `temporal` on the PATH; or (2) let this machine reach the internet, for the download; or (3) install Go (https://go.dev/dl, 1.21 or newer), for a build.'

/** Path of a Temporal CLI that can run the dev server. */
export async function temporalCli(say: (line: string) => void): Promise<string> {
  const given = process.env['TEMPORAL_CLI_PATH']?.trim()
  if (given) return checkedPath('TEMPORAL_CLI_PATH', given)
  const found = onPath('temporal')
  if (found !== null && isNewEnough(found, say)) return found
  const folder = await cached(`temporal-cli-${VERSION}`, (draft) => obtain(draft, say), { say })
  return join(folder, 'temporal')
}

/** The path in a variable, if there is a program; else a Fault. */
export function checkedPath(variable: string, path: string): string {
  try {
    accessSync(path, constants.X_OK)
    return path
  } catch {
    throw new Fault(
      `${variable} is ${path}, and there is no program.`,
      `correct ${variable}, or leave it out.`,
    )
  }
}

export function onPath(program: string): string | null {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter(Boolean)
  return folders.map((folder) => join(folder, program)).find((path) => existsSync(path)) ?? null
}

async function obtain(draft: string, say: (line: string) => void): Promise<void> {
  const target = join(draft, 'temporal')
  if (await download({ kind: 'cli', version: `v${VERSION}`, target, say, title: TITLE })) return
  await build(target, say)
}

/** Downloads a server by the SDK; false when that is not possible here. */
export async function download(options: {
  kind: 'cli' | 'test-server'
  version: string
  target: string
  title: string
  say: (line: string) => void
}): Promise<boolean> {
  const folder = mkdtempSync(join(tmpdir(), 'resource-manager-download-'))
  try {
    const { code } = await runLong({
      command: process.execPath,
      args: [join(PROJECT, 'ops/local/sdk-download.ts'), options.kind, options.version, folder],
      title: options.title,
      say: options.say,
    })
    const file = readdirSync(folder).find((name) => !name.endsWith('.downloading'))
    if (code !== 0 || file === undefined) return false
    cpSync(join(folder, file), options.target)
    return true
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function build(target: string, say: (line: string) => void): Promise<void> {
  const version = goVersion()
  if (version === null) {
    throw new Fault(
      'There is no Temporal CLI here, none can be downloaded, and there is no Go to build it.',
      THREE_WAYS,
    )
  }
  if (!isAtLeast(version, GO_MINIMUM)) {
    throw new Fault(
      `There is no Temporal CLI here, and Go ${version.join('.')} is too old to build it.`,
      THREE_WAYS,
    )
  }
  say(`building the Temporal dev server ${VERSION} with Go, once: 3 to 10 minutes`)
  const module = mkdtempSync(join(tmpdir(), 'resource-manager-build-'))
  try {
    cpSync(join(PROJECT, 'ops/local/temporal-cli'), module, { recursive: true })
    const output = join(module, 'temporal')
    const { code, lines } = await runLong({
      command: 'go',
      args: [
        ...['build', '-mod=readonly', '-trimpath', '-ldflags=-s -w', '-v', '-o', output],
        'github.com/temporalio/cli/cmd/temporal',
      ],
      cwd: module,
      env: { CGO_ENABLED: '0', GOWORK: 'off' },
      title: 'building the Temporal dev server',
      say,
    })
    if (code !== 0) {
      const reason = lines.slice(-3).join(' / ')
      throw new Fault(`The Temporal CLI could not be built: ${reason}`, THREE_WAYS)
    }
    cpSync(output, `${target}.part`)
    renameSync(`${target}.part`, target)
  } finally {
    rmSync(module, { recursive: true, force: true })
  }
}

function goVersion(): readonly number[] | null {
  const go = spawnSync('go', ['version'], { encoding: 'utf8', env: { ...process.env, GOTOOLCHAIN: 'local' } })
  const match = /go(\d+)\.(\d+)/.exec(go.stdout ?? '')
  return match === null ? null : [Number(match[1]), Number(match[2])]
}

function isNewEnough(program: string, say: (line: string) => void): boolean {
  const run = spawnSync(program, ['--version'], { encoding: 'utf8', timeout: 10_000 })
  const match = /Server (\d+)\.(\d+)/.exec(run.stdout ?? '')
  if (match !== null && isAtLeast([Number(match[1]), Number(match[2])], SERVER_MINIMUM)) return true
  say(`${program} is not used: its server is older than ${SERVER_MINIMUM.join('.')}`)
  return false
}

function isAtLeast(version: readonly number[], minimum: readonly [number, number]): boolean {
  const [major = 0, minor = 0] = version
  return major > minimum[0] || (major === minimum[0] && minor >= minimum[1])
}
