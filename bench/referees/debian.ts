// Programs of Debian's packages, without installing them: what apt would install is downloaded, unpacked into the
// user's cache and run from there, so that no service starts, nothing of the machine changes and nobody has to be root.

import { spawnSync } from 'node:child_process'
import { existsSync, globSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

import { Fault } from '../../ops/fault.ts'
import { cached, cacheFolder } from '../../ops/local/cache.ts'
import { runLong } from '../../ops/local/run.ts'
import { onPath } from '../../ops/local/temporal-cli.ts'

export type Program = { readonly path: string; readonly env: Readonly<Record<string, string>> }

/** `name` of the PATH or of /usr/sbin, else of the package of the same name; a Fault where neither can be had. */
export async function program(name: string, say: (line: string) => void): Promise<Program> {
  const present = presentProgram(name)
  if (present !== null) return present
  return unpacked(name, await cached(folderOf(name), (draft) => unpack(name, { into: draft, say }), { say }))
}

/** The program where it is there already, installed or unpacked; null where it would have to be fetched. */
export function presentProgram(name: string): Program | null {
  const installed = onPath(name) ?? onPath(`../sbin/${name}`)
  if (installed !== null) return { path: installed, env: {} }
  const root = join(cacheFolder(), folderOf(name))
  return existsSync(root) ? unpacked(name, root) : null
}

function folderOf(name: string): string {
  return `debian-${name}`
}

function unpacked(name: string, root: string): Program {
  const libraries = globSync('{lib,usr/lib}/*', { cwd: root }).map((folder) => join(root, folder))
  return { path: join(root, 'usr/sbin', name), env: { LD_LIBRARY_PATH: libraries.join(':') } }
}

type Unpacking = { readonly into: string; readonly say: (line: string) => void }

async function unpack(name: string, { into, say }: Unpacking): Promise<void> {
  say(`${name} is not installed: unpacking Debian's package into the cache (nothing is installed)`)
  const packages = (await wanted(name, say)) ?? (await wantedAfterUpdate(name, say))
  await run('apt-get', ['download', ...packages], { cwd: into, say })
  const archives = readdirSync(into).filter((file) => file.endsWith('.deb'))
  for (const archive of archives) await run('dpkg', ['-x', archive, '.'], { cwd: into, say })
}

/** The package and what of its needs this machine lacks; null where apt does not know it. */
async function wanted(name: string, say: (line: string) => void): Promise<readonly string[] | null> {
  if (onPath('apt-get') === null || onPath('dpkg') === null) {
    throw new Fault(`${name} is not installed, and this is no Debian.`, `install ${name} and run it again.`)
  }
  const { code, lines } = await runLong({
    command: 'apt-get',
    args: ['install', '--simulate', '--no-install-recommends', name],
    title: `asking apt for ${name}`,
    say,
  })
  if (code !== 0) return null
  return lines.flatMap((line) => /^Inst (\S+)/.exec(line)?.[1] ?? [])
}

async function wantedAfterUpdate(name: string, say: (line: string) => void): Promise<readonly string[]> {
  await run('apt-get', ['update'], { cwd: '/', say })
  const packages = await wanted(name, say)
  if (packages !== null) return packages
  throw new Fault(`apt knows no package ${name}.`, `install ${name} and run it again.`)
}

async function run(
  command: string,
  args: readonly string[],
  { cwd, say }: { cwd: string; say: (line: string) => void },
): Promise<void> {
  const { code, lines } = await runLong({ command, args, cwd, title: `${command} ${args[0]}`, say })
  if (code === 0) return
  throw new Fault(
    `${command} ${args.join(' ')} ended with ${code}: ${lines.at(-1) ?? 'it said nothing'}`,
    'let this machine reach its Debian archive (as root, `apt-get update`), or install the program.',
  )
}

/** What a program says of its version: the first line of either output. */
export function versionOf({ path, env }: Program): string {
  const { stdout, stderr } = spawnSync(path, ['-v'], { encoding: 'utf8', env: { ...process.env, ...env } })
  const line = `${stdout}${stderr}`.split('\n')[0] ?? ''
  return /\d+(?:\.\d+)+[^\s]*/.exec(line)?.[0] ?? line
}
