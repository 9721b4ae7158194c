import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { Client, Connection } from '@temporalio/client'
import { afterAll, describe, expect, test } from 'vitest'

import { Ports } from '../../ops/local/ports.ts'
import { identify, isRunning } from '../../ops/local/processes.ts'
import { startTemporal } from '../../ops/local/temporal-server.ts'

const place = mkdtempSync(join(tmpdir(), 'rm-temporal-'))
afterAll(() => rmSync(place, { recursive: true, force: true }))

const options = (name: string): Parameters<typeof startTemporal>[0] => ({
  folder: join(place, name),
  record: join(place, `${name}.json`),
  logFile: join(place, `${name}.log`),
  ports: new Ports(),
  port: 0,
  uiPort: 0,
  namespace: 'default',
  say: () => undefined,
})

test('T2: what has begun goes on after a kill -9, and the port is free again', async () => {
  const first = await startTemporal(options('killed'))
  await withClient(first.address, (client) =>
    client.workflow.start('anything', { taskQueue: 'nobody', workflowId: 'kept' }),
  )
  first.child.kill('SIGKILL')
  const second = await startTemporal({ ...options('killed'), port: first.port })
  expect(second.port).toBe(first.port)
  const status = await withClient(second.address, (client) => client.workflow.getHandle('kept').describe())
  expect(status.status.name).toBe('RUNNING')
  await second.stop()
})

test('a server left over from a killed start is ended first', async () => {
  const left = await startTemporal(options('left'))
  const identity = identify(left.child.pid ?? 0)
  const next = await startTemporal({ ...options('left'), port: left.port })
  expect(identity !== null && isRunning(identity)).toBe(false)
  expect(next.port).toBe(left.port)
  await next.stop()
})

describe('files that cannot be used', () => {
  const damages: Record<string, (file: string) => void> = {
    'no database': (file) => writeFileSync(file, 'this is a letter, not a database'),
    'half a database': (file) => writeFileSync(file, 'SQLite format 3\0'.padEnd(6_000, 'x')),
    'a folder': (file) => mkdirSync(file),
  }
  test.each(Object.entries(damages))('%s: said, with what to do', async (name, damage) => {
    mkdirSync(join(place, name))
    damage(join(place, name, 'temporal.db'))
    await expect(startTemporal(options(name))).rejects.toMatchObject({
      message: expect.stringMatching(/cannot use its files/),
      remedy: expect.stringMatching(/nothing is deleted/),
    })
  })
})

async function withClient<T>(address: string, use: (client: Client) => Promise<T>): Promise<T> {
  const connection = await Connection.connect({ address })
  try {
    return await use(new Client({ connection }))
  } finally {
    await connection.close()
  }
}
