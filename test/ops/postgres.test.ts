import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { PROJECT } from '../../ops/environment.ts'
import { Ports } from '../../ops/local/ports.ts'
import { type LocalPostgres, startPostgres } from '../../ops/local/postgres.ts'
import { identify, isRunning } from '../../ops/local/processes.ts'
import { eventually } from '../support/await-state.ts'

const place = mkdtempSync(join(tmpdir(), 'rm-postgres-'))
const made = join(place, 'made')
const options = (folder: string): Parameters<typeof startPostgres>[0] => ({
  folder,
  record: `${folder}.json`,
  logFile: `${folder}.log`,
  ports: new Ports(),
  port: 0,
  say: () => undefined,
})

beforeAll(async () => {
  const server = await startPostgres(options(made))
  await query(server.url, 'create table kept as select 42 as answer')
  await server.stop()
})
afterAll(() => rmSync(place, { recursive: true, force: true }))

const copied = (name: string): string => {
  const folder = join(place, name)
  execFileSync('cp', ['-a', made, folder])
  return folder
}

describe('R1: whatever ended the last server', () => {
  const crashes: Record<string, (server: LocalPostgres, folder: string) => Promise<unknown>> = {
    'a kill -9 of the server': (server) => {
      server.child.kill('SIGKILL')
      return once(server.child, 'exit')
    },
    'nothing: it still runs, and is known': () => Promise.resolve(),
    'nothing: it still runs, and is not known': (_, folder) => Promise.resolve(rmSync(`${folder}.json`)),
  }

  test.each(Object.entries(crashes))('after %s, the next start has the data', async (name, crash) => {
    const folder = copied(name.replace(/\W/g, '-'))
    const before = await startPostgres(options(folder))
    await query(before.url, 'insert into kept values (43)')
    await crash(before, folder)
    const after = await startPostgres(options(folder))
    expect(await query(after.url, 'select answer from kept order by 1')).toEqual([
      { answer: 42 },
      { answer: 43 },
    ])
    await after.stop()
  })

  test('a server does not outlive the process that started it', async () => {
    const folder = copied('orphan')
    const script = `
      const { startPostgres } = await import('${PROJECT}/ops/local/postgres.ts')
      const { Ports } = await import('${PROJECT}/ops/local/ports.ts')
      const server = await startPostgres({ folder: '${folder}', record: '${folder}.json', logFile: '${folder}.log',
        ports: new Ports(), port: 0, say: () => undefined })
      console.log(server.child.pid)
      setInterval(() => undefined, 1000)`
    const parent = spawn(process.execPath, ['--input-type=module-typescript', '--eval', script])
    const [line] = (await once(parent.stdout, 'data')) as [Buffer]
    const server = identify(Number(line.toString()))
    expect(server).not.toBeNull()
    parent.kill('SIGKILL')
    expect(await eventually(() => server !== null && !isRunning(server))).toBe(true)
  })
})

describe('files that cannot be used', () => {
  const damages: Record<string, { break: (cluster: string) => void; says: RegExp }> = {
    'a lost PG_VERSION': { break: (c) => rmSync(join(c, 'PG_VERSION')), says: /PG_VERSION cannot be read/ },
    'a garbled PG_VERSION': {
      break: (c) => writeFileSync(join(c, 'PG_VERSION'), '\0\0'),
      says: /holds no version/,
    },
    'another major version': {
      break: (c) => writeFileSync(join(c, 'PG_VERSION'), '15\n'),
      says: /made by Postgres 15/,
    },
    'a garbled control file': {
      break: (c) => writeFileSync(join(c, 'global/pg_control'), Buffer.alloc(8192, 7)),
      says: /cannot use its files/,
    },
    'lost tables': {
      break: (c) => rmSync(join(c, 'base'), { recursive: true }),
      says: /cannot use its files/,
    },
    'a lost password': { break: (c) => rmSync(join(c, '../password')), says: /password is missing/ },
    'a lost log of writes': {
      break: (c) => rmSync(join(c, 'pg_wal'), { recursive: true }),
      says: /cannot use its files/,
    },
  }

  test.each(Object.entries(damages))(
    '%s: said, with what to do, and nothing is deleted',
    async (name, damage) => {
      const folder = copied(name.replace(/\W/g, '-'))
      damage.break(join(folder, 'cluster'))
      const before = readdirSync(join(folder, 'cluster'))
      const fault: unknown = await startPostgres(options(folder)).catch((error: unknown) => error)
      expect(fault).toMatchObject({
        message: expect.stringMatching(damage.says),
        remedy: expect.stringMatching(/\w+/),
      })
      expect(readdirSync(join(folder, 'cluster'))).toEqual(expect.arrayContaining(before))
    },
  )
})

describe('D3: the password reaches nobody else', () => {
  test('it is in one file of its owner, not on the command line, not in the temporary folder', async () => {
    const folder = copied('secret')
    const password = readFileSync(join(folder, 'password'), 'utf8').trim()
    expect(statSync(join(folder, 'password')).mode & 0o777).toBe(0o600)
    const server = await startPostgres(options(folder))
    expect(server.child.spawnargs.join(' ')).not.toContain(password)
    await expect(query(server.url.replace(password, 'guess'), 'select 1')).rejects.toThrow(/password/)
    await server.stop()
    expect(readdirSync(tmpdir()).filter((name) => /pg-password|PGSQL/.test(name))).toEqual([])
  })
})

async function query(url: string, statement: string): Promise<readonly unknown[]> {
  const sql = postgres(url, { max: 1, onnotice: () => undefined })
  try {
    return [...(await sql.unsafe(statement))]
  } finally {
    await sql.end({ timeout: 1 })
  }
}
